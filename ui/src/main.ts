// The main window's page.
import { mount } from "svelte";
import App from "./App.svelte";
import { start } from "./start";

mount(App, { target: start() });
