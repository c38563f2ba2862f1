// The confirmation window's page.
import { mount } from "svelte";
import Confirm from "./Confirm.svelte";
import { start } from "./start";
import { want } from "./text.svelte";

const target = await start();
await want("said");
mount(Confirm, { target });
