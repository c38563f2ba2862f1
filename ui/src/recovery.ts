// The recovery window's page.
import { mount } from "svelte";
import Recovery from "./Recovery.svelte";
import { start } from "./start";

mount(Recovery, { target: start() });
