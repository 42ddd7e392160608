// The list of chats.
import assert from "node:assert/strict";
import { until } from "../browser.mjs";
import { answers, ask, chats, choose, field, note, row, rowMenu, signIn } from "../page.mjs";

// Chats with these titles, the first one the newest.
async function make(url, person, ...titles) {
  const headers = { Authorization: `Bearer ${person.token}`, "Content-Type": "application/json" };
  for (const title of titles.reverse()) await fetch(`${url}/api/v1/sessions`, { method: "POST", headers, body: JSON.stringify({ title }) });
}

const look = (page) => page.evaluate(() => dispatchEvent(new Event("focus"))); // for news

export async function renamed_in_place_deleted_and_brought_back({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "Plans for the garden");
  await row(page, "Plans for the garden").hover();
  await choose(page, rowMenu(page, "Plans for the garden"), "Rename");
  const name = page.getByRole("textbox", { name: "Name of the chat" });
  await name.fill("Garden");
  await name.press("Enter");
  await row(page, "Garden").waitFor();
  await page.reload();
  await row(page, "Garden").waitFor();
  await row(page, "Garden").hover();
  await choose(page, rowMenu(page, "Garden"), "Delete");
  await page.getByText("No chats yet.").waitFor();
  assert.equal(new URL(page.url()).pathname, "/");
  await note(page, "Chat deleted.").getByRole("button", { name: "Undo" }).click();
  await row(page, "Garden").waitFor();
  assert.match(page.url(), /\/c\//);
}

export async function each_chat_that_is_deleted_comes_back({ url, visit, need }) {
  const person = await need("person");
  await make(url, person, "One", "Two", "Three", "Four", "Five");
  const { page } = await visit();
  await signIn(page, person);
  await row(page, "Three").locator("a").click();
  await page.getByRole("heading", { name: "Three", level: 1 }).waitFor();

  // A key that is held deletes one.
  await row(page, "One").locator("a").focus();
  for (let i = 0; i < 5; i++) {
    await page.keyboard.down("Delete");
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  }
  await page.keyboard.up("Delete");
  await row(page, "Two").locator("a:focus").waitFor();
  await note(page, "Chat deleted.").waitFor();
  assert.equal(await chats(page).count(), 4);

  // Then one press each; one note brings all of them back.
  for (let left = 3; left; left--) {
    await page.keyboard.press("Delete");
    await note(page, `${5 - left} chats deleted.`).waitFor();
    assert.equal(await chats(page).count(), left);
    await chats(page).first().locator("a:focus").waitFor();
  }
  await note(page, "4 chats deleted.").getByRole("button", { name: "Undo" }).click();
  await until(async () => (await chats(page).count()) === 5, "all of them");
  await page.getByRole("heading", { name: "Three", level: 1 }).waitFor();
  assert.equal(await page.locator(".notice").count(), 0);
}

export async function what_was_changed_here_is_not_undone_by_late_answers({ url, visit, need }) {
  const person = await need("person");
  await make(url, person, "Doomed", "Old name", "Other");
  const { page } = await visit();
  await signIn(page, person);
  await row(page, "Doomed").waitFor();
  // The list as it is now, which comes when all is changed; and a change that takes its time.
  let letGo;
  const held = new Promise((resolve) => (letGo = resolve));
  let asked = 0;
  await page.route("**/api/v1/sessions?*", async (route) => {
    const response = await route.fetch({ headers: { ...route.request().headers(), "if-none-match": "" } });
    asked++;
    await held;
    await route.fulfill({ response });
  });
  let rename;
  await page.route("**/title", (route) => (rename = route));
  await look(page);
  await until(() => asked === 1, "the question");
  await row(page, "Old name").locator("a").focus();
  await page.keyboard.press("F2");
  await page.getByRole("textbox", { name: "Name of the chat" }).fill("New name");
  await page.keyboard.press("Enter");
  await row(page, "New name").waitFor();
  await until(() => rename, "the change");
  await row(page, "Doomed").locator("a").focus();
  await page.keyboard.press("Delete");
  await note(page, "Chat deleted.").waitFor();
  const shows = async (...titles) => {
    await page.evaluate(() => new Promise((done) => setTimeout(done, 50)));
    assert.deepEqual(await page.locator(".chat-title").allInnerTexts(), titles);
  };
  // Nor is it in the copy on this device, which a reload shows first.
  const copyIsTrue = async () => {
    const copy = await page.evaluate(() => localStorage[Object.keys(localStorage).find((name) => /sessions\.[0-9a-f]/.test(name))]);
    assert.ok(/Other/.test(copy) && !/Doomed/.test(copy), copy);
  };
  await copyIsTrue();
  let answered = page.waitForResponse(/sessions\?/);
  letGo();
  await answered;
  await shows("New name", "Other");
  await copyIsTrue();
  // Asked while the change is under way.
  answered = page.waitForResponse(/sessions\?/);
  await look(page);
  await answered;
  await shows("New name", "Other");
  // A change that fails because the chat was deleted meanwhile.
  await row(page, "New name").locator("a").focus();
  await page.keyboard.press("Delete");
  await note(page, "2 chats deleted.").waitFor();
  answered = page.waitForResponse("**/title");
  await rename.continue();
  assert.equal((await answered).status(), 404);
  await shows("Other");
  await page.unrouteAll({ behavior: "wait" });
}

export async function a_list_that_is_the_same_is_not_sent_again({ url, visit, need }) {
  const person = await need("person");
  await make(url, person, "One", "Two");
  const { page } = await visit();
  const seen = [];
  page.on("response", (response) => {
    if (/sessions\?limit/.test(response.url())) seen.push([response.status(), Boolean(response.request().headers()["if-none-match"])]);
  });
  await signIn(page, person);
  await row(page, "Two").waitFor();
  await look(page);
  await until(() => seen.length === 2, "the second answer");
  await page.reload();
  await row(page, "Two").waitFor();
  await until(() => seen.length === 3, "the third answer");
  await page.evaluate(() => new Promise((done) => setTimeout(done, 50)));
  assert.deepEqual(seen, [[200, false], [304, true], [304, true]]);
  assert.deepEqual(await page.locator(".chat-title").allInnerTexts(), ["One", "Two"]);
}

export async function ten_thousand_chats_are_as_quick_as_twenty({ visit, need }) {
  const person = await need("person");
  await need("sessions", person.user_id, 10000);
  const { page } = await visit();
  await signIn(page, person);
  await row(page, "Chat number 1").first().waitFor();
  assert.deepEqual((await page.locator(".chat-heading").allInnerTexts())[0], "Today");
  // To the very last, by jumping to the end of what is there again and again.
  await page.locator(".chat-list").evaluate(async (element) => {
    const end = performance.now() + 60000;
    while (element.scrollHeight < 54 * 10000) {
      element.scrollTop = element.scrollHeight;
      await new Promise(requestAnimationFrame);
      if (performance.now() > end) throw new Error(`only ${element.scrollHeight} pixels of chats in a minute`);
    }
    element.scrollTop = element.scrollHeight;
  });
  await row(page, "Chat number 10000").waitFor();
  assert.ok((await chats(page).count()) < 60, "only those in sight are elements");
  const begun = Date.now();
  await row(page, "Chat number 10000").locator("a").click();
  await page.getByRole("heading", { name: "Chat number 10000", level: 1 }).waitFor();
  await page.keyboard.press("Control+Shift+O");
  await ask(page, "Hello");
  assert.match(await answers(page).last().innerText(), /Hello/);
  assert.ok(Date.now() - begun < 4000);
}

export async function a_reload_shows_the_list_before_the_server_answers({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "A chat to remember");
  await row(page, "A chat to remember").waitFor();
  await page.reload();
  await row(page, "A chat to remember").waitFor();
  let let_go = null;
  await page.route("**/api/v1/**", async (route) => {
    await new Promise((resolve) => (let_go ??= resolve) && setTimeout(resolve, 4000));
    await route.continue().catch(() => {});
  });
  await page.reload();
  await row(page, "A chat to remember").waitFor({ timeout: 2500 });
  await page.unrouteAll({ behavior: "ignoreErrors" });
}

export async function projects_hold_chats_together({ visit, need }) {
  const { context, page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "Outside");
  const filter = page.getByRole("button", { name: /^Project:/ });
  await choose(page, filter, "New project");
  await page.getByLabel("Name", { exact: true }).fill("Garden");
  await page.getByRole("button", { name: "Create" }).click();
  await page.getByText("No chats in this project yet.").waitFor();
  await page.getByText("In Garden").waitFor();
  await ask(page, "Roses");
  await until(async () => (await chats(page).count()) === 1, "one chat");
  await choose(page, filter, "All chats");
  await until(async () => (await chats(page).count()) === 2, "both chats");
  await row(page, "Outside").hover();
  await choose(page, rowMenu(page, "Outside"), "Garden");
  await choose(page, filter, "Garden");
  await until(async () => (await chats(page).count()) === 2, "both in the project");
  await page.locator(".top-place").getByText("Garden").waitFor();
  await page.reload();
  await page.getByRole("button", { name: "Project: Garden" }).waitFor();
  await until(async () => (await chats(page).count()) === 2, "both in the project after a reload");

  await choose(page, filter, "Rename project");
  await page.getByLabel("Name", { exact: true }).fill("Orchard");
  await page.getByRole("button", { name: "Rename" }).click();
  await page.getByRole("button", { name: "Project: Orchard" }).waitFor();
  await page.locator("dialog").waitFor({ state: "detached" });

  // Who looks at a project that another tab deletes looks at all chats again.
  const other = await context.newPage();
  await other.goto("/");
  await choose(other, other.getByRole("button", { name: /^Project:/ }), "Orchard");
  await choose(other, other.getByRole("button", { name: /^Project:/ }), "Delete project");
  await other.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByRole("button", { name: "Project: All chats" }).waitFor();
  await until(async () => (await chats(page).count()) === 2, "both without a project");
  await page.reload();
  await page.getByRole("button", { name: "Project: All chats" }).waitFor();
}

export async function a_project_that_is_made_late_disturbs_nobody({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "An old chat");
  let made;
  await page.route("**/api/v1/projects", (route) => (route.request().method() === "POST" ? (made = route) : route.continue()));
  const project = page.getByRole("button", { name: /^Project:/ });
  await choose(page, project, "New project");
  await page.getByLabel("Name", { exact: true }).fill("Garden");
  await page.getByRole("button", { name: "Create" }).click();
  await until(() => made, "the question");
  await page.keyboard.press("Escape");
  await choose(page, page.getByRole("button", { name: /^Account/ }), "Settings");
  await page.getByLabel("Name", { exact: true }).fill("Ada");
  const answered = page.waitForResponse("**/api/v1/projects");
  await made.continue();
  await answered;
  await page.evaluate(() => new Promise((done) => setTimeout(done, 50)));
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), "Ada");
  await page.keyboard.press("Escape");
  await page.getByRole("heading", { name: "An old chat", level: 1 }).waitFor();
  await choose(page, project, "Garden");
}

export async function keys_reach_everything({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "One");
  await page.keyboard.press("Control+Shift+O");
  await page.getByRole("heading", { name: /^Good/ }).waitFor();
  await ask(page, "Two");
  await page.keyboard.press("Alt+ArrowDown");
  await page.getByRole("heading", { name: "One", level: 1 }).waitFor();
  await page.keyboard.press("Control+/");
  await page.getByRole("heading", { name: "Keyboard shortcuts" }).waitFor();
  await page.keyboard.press("Escape");
  await page.keyboard.press("Control+Shift+E");
  await page.getByRole("textbox", { name: "Name of the chat" }).fill("The first");
  await page.keyboard.press("Enter");
  await row(page, "The first").locator("a:focus").waitFor();
  await page.keyboard.press("F2");
  await page.getByRole("textbox", { name: "Name of the chat" }).waitFor();
  await page.keyboard.press("Escape");
  await row(page, "The first").locator("a:focus").waitFor();
  assert.equal(await page.locator(".chat-row :is(a, button):not([tabindex='-1'])").count(), 2);
  await page.keyboard.press("Delete");
  await note(page, "Chat deleted.").waitFor();
  await until(async () => (await chats(page).count()) === 1, "one chat");
  await page.keyboard.press("Shift+Escape");
  assert.ok(await field(page).evaluate((element) => element === document.activeElement));
}

export async function what_is_not_there_is_told_kindly({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await page.goto("/c/01a1f939-0651-7225-92ac-15fca1885954");
  await page.getByRole("heading", { name: "This chat is not there" }).waitFor();
  await page.getByRole("button", { name: "Bring it back" }).click();
  await note(page, "The chat was not brought back.").waitFor();
  await page.getByRole("button", { name: "Start a new chat" }).click();
  await page.getByRole("heading", { name: /^Good/ }).waitFor();

  // One's own is brought back by its address, long after the note with the way back is gone.
  await ask(page, "Deleted by mistake");
  const chat = new URL(page.url()).pathname;
  await choose(page, rowMenu(page, "Deleted by mistake"), "Delete");
  await page.getByText("No chats yet.").waitFor();
  await page.goto(chat);
  await page.getByRole("button", { name: "Bring it back" }).click();
  await page.getByRole("heading", { name: "Deleted by mistake", level: 1 }).waitFor();
  await page.getByRole("article", { name: "Answer" }).waitFor();
  await row(page, "Deleted by mistake").waitFor();
}
