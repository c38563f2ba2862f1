// The recovery window's page.
import { mount } from "svelte";
import Recovery from "./Recovery.svelte";
import { start } from "./start";
import { want } from "./text.svelte";

const target = await start();
mount(Recovery, { target });
void want("said");
