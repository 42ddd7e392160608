// The list of chats.
import assert from "node:assert/strict";
import { until } from "../browser.mjs";
import { ask, chats, choose, field, note, row, rowMenu, signIn } from "../page.mjs";

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

export async function ten_thousand_chats_are_as_quick_as_twenty({ visit, need }) {
  const person = await need("person");
  await need("sessions", person.user_id, 10000);
  const { page } = await visit();
  await signIn(page, person);
  await row(page, "Chat number 1").first().waitFor();
  assert.deepEqual((await page.locator(".chat-heading").allInnerTexts())[0], "Today");
  const list = page.locator(".chat-list");
  const down = () => list.evaluate((element) => {
    element.scrollTop = element.scrollHeight;
    return element.scrollHeight;
  });
  await until(async () => (await down()) > 54 * 2000, "two thousand chats that are read", 40000);
  assert.ok((await chats(page).count()) < 60, "only those in sight are elements");
  const begun = Date.now();
  await chats(page).last().locator("a").click();
  await field(page).waitFor();
  assert.ok(Date.now() - begun < 3000);
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

  // Who looks at a project that another tab deletes looks at all chats again.
  const other = await context.newPage();
  await other.goto("/");
  await choose(other, other.getByRole("button", { name: /^Project:/ }), "Garden");
  await choose(other, other.getByRole("button", { name: /^Project:/ }), "Delete project");
  await other.getByRole("button", { name: "Delete", exact: true }).click();
  await page.getByRole("button", { name: "Project: All chats" }).waitFor();
  await until(async () => (await chats(page).count()) === 2, "both without a project");
  await page.reload();
  await page.getByRole("button", { name: "Project: All chats" }).waitFor();
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
  await page.getByRole("button", { name: "Start a new chat" }).click();
  await page.getByRole("heading", { name: /^Good/ }).waitFor();
}
