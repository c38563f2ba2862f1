// What people do, step by step, with a mocked vault. The same with the real program is in tests/tests/.
import { calls, expect, test, PASSPHRASE, PAGES } from "./window";

test("a new vault: weak and strong passphrases, the phrase, the first import", async ({ open, page }) => {
  await open({ vault: "none", content: "empty", network: false });
  await page.locator("#passphrase").fill("short");
  await expect(page.getByTestId("strength")).toHaveAttribute("data-score", "1");
  await page.locator("#passphrase").fill(PASSPHRASE);
  await expect(page.getByTestId("strength")).toContainText("Very strong");
  await page.locator("#again").fill("another one");
  await page.getByTestId("vault-create").click();
  await expect(page.locator("#again-problem")).toHaveText("The two passphrases differ.");
  await page.locator("#again").fill(PASSPHRASE);
  await page.getByTestId("vault-create").click();
  await expect(page.locator("h1")).toHaveText("Write down your recovery phrase");
  await page.getByRole("button", { name: "I have written it down" }).click();
  await expect(page.getByTestId("network-badge")).toContainText("No network");
  await page.getByTestId("import-sample").click();
  await expect(page.getByTestId("import-source")).toHaveValue("sample");
  await expect(page.getByRole("dialog")).toContainText("line 3 has 5 cells");
  await page.getByTestId("import-source").fill("first");
  await page.getByTestId("import-start").click();
  await expect(page.getByTestId("task")).toContainText("Importing first");
  await page.getByTestId("task-stop").click();
  await expect(page.getByTestId("task")).toContainText("Stopped");
  await page.getByTestId("task-forget").click();
  await expect(page.getByTestId("task")).toHaveCount(0);
});

test("the recovery window asks for two words before it closes", async ({ open, page }) => {
  await open({}, "", "recovery.html");
  await expect(page.locator(".word")).toHaveCount(24);
  await page.getByTestId("recovery-places").click();
  await page.getByLabel("Word 3").fill("cedar");
  await page.getByLabel("Word 17").fill("amber");
  await page.getByTestId("recovery-check").click();
  await expect(page.getByRole("alert").first()).toContainText("not the word");
  await page.getByLabel("Word 17").fill("ember");
  await page.getByTestId("recovery-check").click();
  await expect.poll(async () => (await calls(page)).at(-1)?.[0]).toBe("recovery_done");
  await expect(page.locator(".word")).toHaveCount(0);
});

test("the confirmation window says what will happen, and takes no answer at once", async ({ open, page }) => {
  await open({}, "", "confirm.html?lang=fr");
  await expect(page.locator("h1")).toHaveText("Laisser cette demande s’exécuter et son résultat sortir\u00a0?");
  const facts = page.locator("section li");
  await expect(facts).toHaveCount(6);
  await expect(facts.last()).toHaveText("0x71C7656EC7ab88b098defB751B7401B5f6d8976F paie 2.5 USU pour cela");
  // Nothing in it is left in English.
  await expect(facts.locator("[lang=en]")).toHaveCount(0);
  await page.getByTestId("confirm-no").click();
  await expect.poll(async () => (await calls(page)).at(-1)).toEqual(["confirm_no", { nonce: "7f" }]);
});

test("the recover window counts the words and says what is wrong", async ({ open, page }) => {
  await open({ vault: "none" }, "", "recover.html");
  await page.locator("#phrase").fill("too few words");
  await page.locator("#passphrase").fill(PASSPHRASE);
  await expect(page.getByTestId("recover-vault")).toBeDisabled();
  await page.locator("#phrase").fill(Array(24).fill("zebra").join("\n"));
  await page.getByTestId("recover-vault").click();
  await expect(page.getByTestId("failure")).toContainText("word 1 is unknown");
  await page.getByTestId("recover-folder").click();
  await expect(page.locator("code")).toHaveText("/mnt/backup");
  await page.locator("#phrase").fill(Array(24).fill("amber").join(" "));
  await page.getByTestId("recover-vault").click();
  await expect.poll(async () => (await calls(page)).at(-1)?.[0]).toBe("recover_close");
  await expect(page.locator("#phrase")).toHaveCount(0);
});

test("unlock, and lock with the keys, the button and by itself", async ({ open, page }) => {
  await open({ vault: "locked" });
  await page.locator("#passphrase").fill("wrong");
  await page.getByTestId("vault-unlock").click();
  await expect(page.getByTestId("failure")).toContainText("does not open this vault");
  for (const lock of ["key", "button", "alone"]) {
    await page.locator("#passphrase").fill(PASSPHRASE);
    await page.keyboard.press("Enter");
    await expect(page.locator("h1")).toHaveText("Home");
    if (lock === "key") await page.keyboard.press("Control+l");
    else if (lock === "button") await page.getByTestId("vault-lock").click();
    else {
      await page.evaluate(() => {
        window.mocked!.state.open = false;
        return window.mocked!.tell("vault");
      });
    }
    await expect(page.locator("h1")).toHaveText("Unlock your vault");
    await expect(page.locator("[data-figure]")).toHaveCount(0);
  }
});

test("the first page is what the address says, in its language, and then what the vault says", async ({ open, page }) => {
  const read: string[] = [];
  page.on("request", (request) => read.push(new URL(request.url()).pathname));
  await open({ vault: "locked", theme: "dark", language: "french" }, "", "index.html?lang=fr&theme=dark&page=unlock&home=%2Fhome%2Fada%2Fl%27%C3%A9t%C3%A9");
  await expect(page.locator("h1")).toHaveText("Déverrouiller votre coffre");
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await expect.poll(() => read.some((path) => path.includes("sentences"))).toBe(true);
  expect(new URL(page.url()).search).toBe("");
  // There is a vault, whatever the address said when the program started.
  await open({ vault: "locked" }, "", "index.html?lang=en&page=create&home=%2Fhome%2Fada");
  await expect(page.locator("h1")).toHaveText("Unlock your vault");
  await open({ vault: "open" }, "", "index.html?lang=en&page=unlock&home=%2Fhome%2Fada");
  await expect(page.locator("h1")).toHaveText("Home");
});

test("an English window reads no French", async ({ open, page }) => {
  const read: string[] = [];
  page.on("response", async (response) => read.push(await response.text()));
  await open({}, "", "index.html");
  await expect(page.locator("h1")).toHaveText("Home");
  expect(read.filter((text) => text.includes("Unlock your vault"))).toHaveLength(1);
  expect(read.filter((text) => text.includes("Verrouiller") || text.includes("coffre"))).toEqual([]);
});

test("records: searched, deleted, and brought back", async ({ open, page }) => {
  await open({}, "data");
  await expect(page.getByTestId("record-list")).toBeVisible();
  await page.keyboard.press("Control+f");
  await expect(page.getByTestId("record-list")).toBeFocused();
  await page.keyboard.type("herons");
  await expect(page.locator(".records tbody tr").first()).toContainText("eleven herons");
  await expect(page.getByText("50 of 50")).toBeVisible();
  await page.getByTestId("record-delete").first().click();
  await expect(page.getByText("49 of 49")).toBeVisible();
  await page.getByTestId("undo").click();
  await expect(page.getByText("50 of 50")).toBeVisible();
  await page.getByTestId("record-list").fill("nothing like it");
  await expect(page.getByText("Nothing fits.")).toBeVisible();
});

test("records by their meaning: read by the model first, then found", async ({ open, page }) => {
  await open({}, "data");
  await page.getByTestId("search-words").focus();
  await page.keyboard.press("ArrowRight");
  await expect(page.getByTestId("search-meaning")).toBeChecked();
  await expect(page.getByText("Say it in your own words")).toBeVisible();
  await expect(page.getByText("652 records have not been read")).toBeVisible();
  await page.getByTestId("meaning-read").click();
  await expect(page.getByText("128 of 652 records")).toBeVisible();
  await page.getByTestId("task-stop").click();
  await expect(page.getByText("What was read until then is kept.")).toBeVisible();
  await page.getByTestId("record-list").fill("birds by the water");
  await page.keyboard.press("Enter");
  await expect(page.getByText("The nearest 12 of 47,558")).toBeVisible();
  await expect(page.locator(".records tbody tr").first()).toContainText("0.62");
  await page.getByTestId("record-list").fill("");
  await expect(page.getByText("Say it in your own words")).toBeVisible();
  await page.getByTestId("search-words").check({ force: true });
  await expect(page.getByText("50 of 48,210")).toBeVisible();
  await expect(page.locator(".records thead")).not.toContainText("Closeness");
});

test("without the model, searching by meaning says how to get it", async ({ open, page }) => {
  await open({}, "data");
  await page.evaluate(() => void (window.mocked!.state.model = null));
  await page.getByTestId("search-meaning").check({ force: true });
  await expect(page.getByTestId("meaning-model")).toContainText("usufruct-model");
  await page.getByTestId("record-list").fill("birds");
  await page.keyboard.press("Enter");
  expect((await calls(page)).some(([name]) => name === "meaning_search")).toBe(false);
  await page.getByTestId("meaning-model").getByRole("button").click();
  await expect(page.locator("h1")).toHaveText("Settings");
});

test("files held over the window, dropped, and left alone", async ({ open, page }) => {
  await open({}, "jobs");
  await page.evaluate(() => window.mocked!.tell("hovering"));
  await expect(page.getByTestId("drop-veil")).toBeVisible();
  await page.evaluate(() => window.mocked!.tell("left"));
  await expect(page.getByTestId("drop-veil")).toHaveCount(0);
  await page.evaluate(() => {
    window.mocked!.state.offered = true;
    return window.mocked!.tell("offered");
  });
  await expect(page.getByRole("dialog")).toContainText("59 records");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toHaveCount(0);
  expect((await calls(page)).some(([name]) => name === "import_forget")).toBe(true);
});

test("a dataset: built, published after its public facts were shown, offered", async ({ open, page }) => {
  await open({}, "datasets");
  await page.getByTestId("dataset-new").click();
  await expect(page.getByTestId("dataset-count")).toHaveText("48,210");
  await page.getByLabel("garden-diary").check();
  await expect(page.getByTestId("dataset-count")).toHaveText("652");
  await expect(page.getByTestId("dataset-create")).toBeDisabled();
  await page.getByTestId("dataset-name").fill("diary");
  await page.getByLabel("Include: subject").uncheck();
  await page.getByLabel("Leaves: amount").check();
  await page.getByTestId("dataset-label").selectOption("amount");
  await page.getByLabel("Include: amount").uncheck();
  await expect(page.getByTestId("dataset-label")).toHaveValue("");
  await page.getByLabel("Include: amount").check();
  await page.getByLabel("Leaves: amount").check();
  await page.getByTestId("dataset-statistic").selectOption("amount");
  await page.getByTestId("dataset-edges").fill("0..160");
  await expect(page.getByTestId("identifiers")).toContainText("212, in 98 records");
  await page.getByTestId("identifier-email").selectOption("mask");
  await page.getByTestId("identifier-phone").selectOption("drop");
  await page.getByTestId("identifier-phone").selectOption("keep");
  await page.getByTestId("dataset-create").click();
  const made = (await calls(page)).find(([name]) => name === "dataset_create");
  expect(made?.[1]).toMatchObject({ name: "diary", selection: { sources: ["garden-diary"], fields: ["text", "amount", "time"], released: ["amount"], label: null, statistic: { field: "amount", edges: "0..160" }, masked: ["email"], dropped: [] } });
  const row = page.getByRole("row", { name: /diary/ });
  await row.getByTestId("dataset-public").click();
  await expect(page.getByRole("dialog")).toContainText("forever");
  await page.getByRole("button", { name: "Cancel" }).click();
  expect((await calls(page)).some(([name]) => name === "dataset_publish")).toBe(false);
  await row.getByTestId("dataset-public").click();
  await page.getByTestId("dataset-publish").click();
  await expect(row).toContainText("Active");
  await row.getByTestId("offer-new").click();
  await expect(page.locator("h1")).toHaveText("Offer a license");
});

test("an offer: preset, price, exact terms in words and as ODRL", async ({ open, page }) => {
  await open({}, "licenses/letters");
  await expect(page.getByText("For research, personalization, and the public interest only.")).toBeVisible();
  await page.getByTestId("preset-open-research").check();
  await page.getByTestId("price").fill("1250.5");
  await expect(page.getByText("1,250.50\u00a0USU for each run, 10 runs.")).toBeVisible();
  await page.getByTestId("max-runs").fill("3");
  await expect(page.getByText("3 runs.")).toBeVisible();
  await page.getByRole("tab", { name: "As ODRL" }).click();
  await expect(page.getByRole("tabpanel")).toContainText("odrl.jsonld");
  await page.keyboard.press("ArrowRight");
  await expect(page.getByRole("tab", { name: "License text" })).toBeFocused();
  await page.getByTestId("price").fill("much");
  await expect(page.getByTestId("failure")).toContainText("is no price");
  await expect(page.getByTestId("offer-create")).toBeDisabled();
  await page.getByTestId("price").fill("4");
  await page.getByTestId("offer-create").click();
  await expect(page.locator("h1")).toHaveText("Licenses");
  await expect(page.getByText("Offer published")).toBeVisible();
  await page.getByTestId("license-revoke").click();
  await expect(page.getByText("Revoked", { exact: true })).toBeVisible();
});

test("a job: what leaves, declined, approved, run, and its progress after a reload", async ({ open, page }) => {
  await open({}, "jobs");
  const asked = page.locator("[data-testid=job][data-state=requested]");
  await expect(asked).toContainText("much of a text can be recovered");
  await asked.getByTestId("job-decline").click();
  await expect(asked.getByTestId("failure")).toContainText("you did not confirm it");
  await asked.getByTestId("job-approve").click();
  await expect(page.locator("[data-testid=job][data-state=approved]")).toHaveCount(2);
  await page.getByTestId("job-run").first().click();
  await expect(page.locator("[data-stage=read]").first()).toHaveAttribute("data-state", "done");
  await expect(page.locator("[data-stage=compute]").first()).toHaveAttribute("data-state", "now");
  await expect(page.getByText("512 of 1,248")).toBeVisible();
  await page.getByTestId("page-home").click();
  await page.getByTestId("page-jobs").click();
  await expect(page.getByText("512 of 1,248")).toBeVisible();
  await page.evaluate(() => {
    const { state } = window.mocked!;
    state.tasks = [];
    state.jobs = state.jobs.map((job) => (job.state === "approved" ? { ...job, state: "drawn", next: "`job settle`, until 2026-11-26", proof_ms: 1500 } : job));
    return window.mocked!.tell("tasks");
  });
  await page.getByTestId("job-settle").first().click();
  await expect(page.locator("[data-testid=job][data-state=settled]")).toHaveCount(2);
});

test("jobs are approved always, within bounds, and no longer", async ({ open, page }) => {
  await open({}, "jobs");
  await page.getByTestId("job-always").click();
  await page.getByTestId("always-price").fill("a lot");
  await page.getByTestId("always-add").click();
  await expect(page.getByRole("dialog").getByTestId("failure")).toContainText("is no price");
  await page.getByTestId("always-price").fill("3");
  await page.getByTestId("always-runs").fill("4");
  await page.getByTestId("always-add").click();
  await expect(page.getByRole("dialog")).toHaveCount(0);
  await expect(page.getByTestId("approval")).toContainText("3 USU");
  await page.getByTestId("approval-remove").click();
  await expect(page.getByTestId("approval")).toHaveCount(0);
});

test("a delegate is named, and ended", async ({ open, page }) => {
  await open({}, "settings");
  await expect(page.getByTestId("delegate-add")).toBeDisabled();
  await page.getByTestId("delegate-account").fill("0x8ba1f109551bD432803012645Ac136ddd64DBA72");
  await page.getByTestId("delegate-add").click();
  await expect(page.getByTestId("delegate")).toHaveCount(2);
  await page.getByTestId("delegate-remove").first().click();
  await expect(page.getByTestId("delegate").first()).toContainText("Ended");
});

test("standing approvals go on while the vault is locked only where that is turned on, and until when is shown", async ({ open, page }) => {
  await open({}, "settings");
  await expect(page.getByTestId("earning-start")).toBeDisabled();
  await page.getByTestId("earning-dataset").first().check();
  await page.getByTestId("earning-hours").fill("2");
  await page.getByTestId("earning-start").click();
  await expect(page.getByTestId("earning")).toContainText("On until");
  await page.keyboard.press("Control+l");
  await expect(page.getByTestId("earning")).toContainText("Earning until");
  await page.locator("#passphrase").fill("seven quiet herons wading");
  await page.getByTestId("vault-unlock").click();
  await page.getByTestId("page-settings").click();
  await page.getByTestId("earning-stop").click();
  await expect(page.getByTestId("earning")).toHaveCount(0);
  await page.keyboard.press("Control+l");
  await expect(page.locator("#passphrase")).toBeVisible();
  await expect(page.getByTestId("earning")).toHaveCount(0);
});

test("a job that this person asked for is not theirs to approve", async ({ open, page }) => {
  await open({}, "home");
  await page.evaluate(() => {
    const { state } = window.mocked!;
    state.jobs = state.jobs.map((job) => ({ ...job, state: "requested", next: "the owner approves and runs it, until 2026-11-23" }));
  });
  await page.getByTestId("page-jobs").click();
  await expect(page.getByTestId("job")).toHaveCount(3);
  await expect(page.getByTestId("job-approve")).toHaveCount(0);
  await expect(page.getByTestId("job-run")).toHaveCount(0);
});

test("the trail: by keys, as a table, its receipt and bundle", async ({ open, page }) => {
  await open({}, "trail");
  const first = page.getByTestId("trail-node").first();
  await first.focus();
  for (let step = 0; step < 4; step += 1) await page.keyboard.press("ArrowDown");
  await expect(page.locator("[data-at='offer:1']")).toBeFocused();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await expect(page.getByText("transaction 77c0")).toBeVisible();
  await page.keyboard.press("ArrowUp");
  await expect(page.locator("[data-at='offer:1']")).toBeFocused();
  await page.getByRole("tab", { name: "Table" }).click();
  await expect(page.locator("table tbody tr")).toHaveCount(11);
  await page.getByTestId("receipt-show").first().click();
  await expect(page.getByTestId("receipt-valid")).toHaveAttribute("data-valid", "true");
  await page.getByTestId("bundle-export").click();
  await expect(page.getByText("Written to /home/ada/job.bundle")).toBeVisible();
  await page.keyboard.press("Escape");
  await page.getByLabel("Consumer").selectOption({ index: 1 });
  await expect(page.locator("table tbody tr")).toHaveCount(2);
});

test("rewards: chart, withdrawal, CSV", async ({ open, page }) => {
  await open({}, "rewards");
  await expect(page.getByRole("img", { name: "18 USU in 6 payments" })).toBeVisible();
  await page.getByTestId("reward-export").click();
  await expect(page.getByText("rewards.csv")).toBeVisible();
  await page.getByTestId("reward-claim").click();
  await expect(page.locator("[data-figure=claimable]")).toHaveText("0\u00a0USU");
  await expect(page.getByTestId("reward-claim")).toBeDisabled();
});

test("settings: network, language, theme, health, passphrase", async ({ open, page }) => {
  await open({ network: false }, "settings");
  expect((await calls(page)).map(([name]) => name)).not.toContain("wallet_show");
  await page.locator("[data-network=embedded]").click();
  await expect(page.getByTestId("network-badge")).toContainText("embedded");
  await expect(page.locator("[data-figure=balance]")).toHaveText("31.50\u00a0USU");
  await page.getByTestId("setting-theme").selectOption("dark");
  await expect(page.locator("html")).toHaveAttribute("data-theme", "dark");
  await page.getByTestId("setting-language").selectOption("french");
  await expect(page.locator("h1")).toHaveText("Réglages");
  await expect(page.locator("[data-figure=balance]")).toHaveText("31,50\u00a0USU");
  await page.getByTestId("setting-language").selectOption("english");
  await page.getByTestId("vault-check").click();
  await expect(page.getByTestId("vault-checked")).toContainText("412 objects, nothing wrong");
  await page.getByTestId("vault-check-data").click();
  await expect(page.getByTestId("vault-checked")).toContainText("pack 3");
  await expect(page.getByRole("log")).toContainText("software rasterizer");
  await page.locator("#present").fill("wrong");
  await page.locator("#wanted").fill("a longer new one");
  await page.getByTestId("vault-passphrase").click();
  await expect(page.getByTestId("failure")).toContainText("another one");
  await page.reload();
  await expect(page.locator("h1")).toHaveText("Settings");
});

test("everything by keyboard: pages, palette, shortcuts, skip, quit", async ({ open, page }) => {
  await open({}, "home");
  await expect(page.locator("main h1")).toBeVisible();
  for (const [index, name] of PAGES.entries()) {
    await page.keyboard.press(`Control+${index + 1}`);
    await expect(page.getByTestId(`page-${name}`)).toHaveAttribute("aria-current", "page");
    await expect(page.locator("main h1")).toBeFocused();
  }
  await page.keyboard.press("Control+k");
  await page.keyboard.type("rewa");
  await page.keyboard.press("Enter");
  await expect(page.locator("h1")).toHaveText("Rewards");
  await page.keyboard.press("?");
  await expect(page.getByRole("dialog")).toContainText("Keyboard shortcuts");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("no such thing");
  await expect(page.getByText("Nothing is called that.")).toBeVisible();
  await page.keyboard.press("Escape");
  await page.evaluate(() => window.mocked!.tell("closing"));
  await expect(page.getByRole("dialog")).toContainText("These jobs wait for you");
  await expect(page.getByTestId("quit-deadline").first()).toContainText("approve or decline it");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  expect((await calls(page)).map(([name]) => name)).not.toContain("app_quit");
  await page.evaluate(() => window.mocked!.tell("closing"));
  await page.getByTestId("app-quit").click();
  expect((await calls(page)).map(([name]) => name)).toContain("app_quit");
});

test("a failure says what happened and what to do, and can be tried again", async ({ open, page }) => {
  await open({}, "home");
  await page.evaluate(() => window.mocked!.fail("job_inbox", { code: "network", message: "the node does not answer", hint: "Is it running?" }));
  await page.getByTestId("page-jobs").click();
  await expect(page.getByTestId("failure")).toContainText("The network does not answer");
  await expect(page.getByTestId("failure")).toContainText("Is it running?");
  await page.evaluate(() => window.mocked!.fail("job_inbox", null));
  await page.getByRole("button", { name: "Try again" }).click();
  await expect(page.getByTestId("failure")).toHaveCount(0);
});

test("a command that does not exist is never called", async ({ open, page }) => {
  await open({}, "home");
  for (const name of PAGES) await page.getByTestId(`page-${name}`).click();
  expect(await page.evaluate(() => window.mocked!.refused)).toEqual([]);
});
