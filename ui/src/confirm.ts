// The confirmation window's page.
import { mount } from "svelte";
import Confirm from "./Confirm.svelte";
import { start } from "./start";

mount(Confirm, { target: start() });
