// The main window's page.
import { mount } from "svelte";
import App from "./App.svelte";
import { start } from "./start";
import { told } from "./told";

const target = await start();
mount(App, { target, props: { told: told() } });
