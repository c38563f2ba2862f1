// The page of the window in which a recovery phrase is typed.
import { mount } from "svelte";
import Recover from "./Recover.svelte";
import { start } from "./start";
import { want } from "./text.svelte";

const target = await start();
mount(Recover, { target });
void want("said");
