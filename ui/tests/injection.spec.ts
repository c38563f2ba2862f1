// 200 texts that would run if any page took text for markup: as file names, titles, cells, subjects, labels and messages.
import { calls, expect, test, PAGES } from "./window";

const RUN = "window.ran=(window.ran||0)+1";

/** Ways in which markup has been made to run. */
const WAYS = [
  `<script>${RUN}</script>`,
  `<img src=x onerror="${RUN}">`,
  `<svg onload="${RUN}">`,
  `<svg><script>${RUN}</script></svg>`,
  `<iframe srcdoc="<script>parent.${RUN}</script>"></iframe>`,
  `<iframe src="javascript:${RUN}"></iframe>`,
  `<body onload="${RUN}">`,
  `<details open ontoggle="${RUN}">`,
  `<input autofocus onfocus="${RUN}">`,
  `<video><source onerror="${RUN}"></video>`,
  `<a href="javascript:${RUN}">click</a>`,
  `<form action="javascript:${RUN}"><button>go</button></form>`,
  `<object data="javascript:${RUN}"></object>`,
  `<math><mi xlink:href="javascript:${RUN}">x</mi></math>`,
  `<style>@import 'javascript:${RUN}'</style>`,
  `<link rel=stylesheet href="data:text/css,*{background:url(javascript:${RUN})}">`,
  `<meta http-equiv=refresh content="0;url=javascript:${RUN}">`,
  `<template shadowrootmode=open><script>${RUN}</script></template>`,
  `javascript:${RUN}`,
  `data:text/html,<script>${RUN}</script>`,
];

/** Ways out of where the text stands. */
const AROUND: ((text: string) => string)[] = [
  (text) => text,
  (text) => `">${text}`,
  (text) => `'>${text}`,
  (text) => `</title></textarea></style></script>${text}`,
  (text) => `<!--${text}-->${text}`,
  (text) => `{@html "${text}"}`,
  (text) => `\${${RUN}}{{constructor.constructor('${RUN}')()}}${text}`,
  (text) => text.toUpperCase().replaceAll("WINDOW.RAN", "window.ran"),
  (text) => `\u202e${text}\u0000\u2028`,
  (text) => `]]>&lt;${text}&#x3c;script&#x3e;${RUN}&#x3c;/script&#x3e;`,
];

const TEXTS = WAYS.flatMap((way) => AROUND.map((around) => around(way)));

const elements = "main :is(script, iframe, object, embed, base, meta, link, form[action], a[href^='javascript'], [onerror], [onload], [ontoggle], [onfocus]), dialog :is(script, iframe, img)";

test("200 texts on every page: none runs", async ({ open, page }) => {
  expect(new Set(TEXTS).size).toBe(200);
  page.on("dialog", () => expect(false, "a dialog was opened").toBe(true));
  await open({ text: TEXTS }, "home");
  const look = async (where: string) => {
    await expect(page.locator("h1").first()).toBeVisible();
    await expect(page.locator("main .loading")).toHaveCount(0);
    expect(await page.evaluate(() => (window as { ran?: number }).ran), where).toBeUndefined();
    expect(await page.locator(elements).count(), where).toBe(0);
  };
  await look("home");
  for (const name of [...PAGES, "datasets/new", `licenses/${encodeURIComponent(TEXTS[1]!)}`, `trail/${encodeURIComponent(TEXTS[2]!)}`, "data/search"]) {
    await page.evaluate((to) => (location.hash = to), `#/${name}`);
    await look(name);
  }
  await page.getByTestId("page-data").click();
  await page.getByTestId("record-delete").first().click();
  await page.getByTestId("import-files").click();
  await expect(page.getByRole("dialog")).toBeVisible();
  await look("import");
  await page.getByTestId("import-start").click();
  await expect(page.getByTestId("task")).toBeVisible();
  await look("task");
  await page.evaluate((text) => window.mocked!.fail("job_inbox", { code: text, message: text, hint: text }), TEXTS[1]!);
  await page.getByTestId("page-jobs").click();
  await expect(page.getByTestId("failure")).toContainText(TEXTS[1]!);
  await look("failure");
  expect(await page.evaluate(() => window.mocked!.turns()), "texts that the pages were given").toBeGreaterThanOrEqual(TEXTS.length);
});

test("200 texts in the confirmation window: none runs, and each is shown letter for letter", async ({ open, page }) => {
  page.on("dialog", () => expect(false, "a dialog was opened").toBe(true));
  await open({ text: TEXTS }, "", "confirm.html");
  const facts = await page.locator("section li").allTextContents();
  // The first two stand for what is asked about, and the network.
  expect(facts).toEqual(TEXTS.map((_, index) => `${TEXTS[(index + 2) % TEXTS.length]} ${index + 2}`));
  // Every way in and every way out also as what is asked about, and as the network.
  for (let turn = 1; turn <= TEXTS.length; turn += 7) {
    await page.goto(`${new URL(page.url()).origin}/confirm.html?turn=${turn}`);
    await expect(page.locator("main .subject")).toHaveText(`${TEXTS[turn % TEXTS.length]} ${turn}`);
    expect(await page.evaluate(() => (window as { ran?: number }).ran), `text ${turn}`).toBeUndefined();
    expect(await page.locator(elements).count(), `text ${turn}`).toBe(0);
  }
  await page.getByTestId("confirm-yes").click();
  await expect.poll(async () => (await calls(page)).at(-1)).toEqual(["confirm_yes", { nonce: "7f" }]);
});

test("a hostile record is shown letter for letter", async ({ open, page }) => {
  const text = TEXTS[1]!;
  await open({ text: [text] }, "data");
  await expect(page.locator(".records .preview").first()).toContainText(text);
  await page.getByTestId("record-list").fill(text);
  await expect(page.getByTestId("record-list")).toHaveValue(text);
});
