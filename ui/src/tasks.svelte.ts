// What runs in the background of the window: imports, jobs, backups. The program keeps them, so they outlive a reload.
import { commands, type Task } from "./bindings";

let list = $state.raw<Task[]>([]);

/** All of them as of the last look, newest first. */
export function tasks(): Task[] {
  return list;
}

/** Asks the program how they stand. */
export async function lookAtTasks() {
  try {
    list = (await commands.taskList()).tasks;
  } catch {
    list = [];
  }
}

/** The newest task with this subject. */
export function taskFor(subject: string): Task | undefined {
  return list.find((task) => task.subject === subject);
}
