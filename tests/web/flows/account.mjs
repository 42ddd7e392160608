// Signing up, in and out, and what becomes of a session that ends.
import assert from "node:assert/strict";
import { until } from "../browser.mjs";
import { ask, choose, answers, chats, field, signIn, write } from "../page.mjs";

const account = (page) => page.getByRole("button", { name: /^Account/ });

async function openSettings(page) {
  await choose(page, account(page), "Settings");
  await page.getByText("Delete my account and all chats").waitFor();
}

// Says how it ended.
async function trySignIn(page, email, password) {
  await page.getByLabel("E-mail address").fill(email);
  await page.getByLabel("Password", { exact: true }).fill(password);
  await page.keyboard.press("Enter");
  const isIn = field(page).waitFor().then(() => "in");
  return Promise.race([isIn, page.getByText("The e-mail address or the password is wrong.").waitFor().then(() => "refused")]);
}

export async function a_new_person_signs_up_and_chats({ visit, accessible }) {
  const { page } = await visit();
  await page.goto("/");
  await accessible(page);
  await page.getByRole("button", { name: "Create an account" }).click();
  await page.getByLabel("Name (optional)").fill("Ada Lovelace");
  await page.getByLabel("E-mail address").fill(`ada.${Date.now()}@example.org`);
  await page.getByLabel("Password", { exact: true }).fill("short");
  await page.getByRole("button", { name: "Create account" }).click();
  await page.getByText("must have at least 8 characters").waitFor();
  await accessible(page);
  await page.getByLabel("Password", { exact: true }).fill("correct horse battery");
  await page.getByRole("button", { name: "Create account" }).click();
  await page.getByRole("heading", { name: /Ada/ }).waitFor();
  await accessible(page);
  await ask(page, "Hello there");
  assert.match(await answers(page).last().innerText(), /Hello there/);
  await chats(page).first().waitFor();
  await accessible(page);
}

export async function a_wrong_password_is_told_and_the_right_one_lets_in({ visit, need }) {
  const person = await need("person");
  const { page } = await visit();
  await page.goto("/");
  await page.getByLabel("E-mail address").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill("not this one");
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByText("The e-mail address or the password is wrong.").waitFor();
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  await page.keyboard.press("Enter");
  await field(page).waitFor();
}

export async function signing_out_leaves_nothing_on_the_device({ visit, need }) {
  const { page, context } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "Something private");
  await field(page).fill("a draft");
  const other = await context.newPage();
  await other.goto("/");
  await chats(other).first().waitFor();
  await choose(page, account(page), "Sign out");
  await page.getByRole("heading", { name: "Welcome back" }).waitFor();
  await other.getByRole("heading", { name: "Welcome back" }).waitFor();
  const kept = await page.evaluate(() => JSON.stringify({ ...localStorage }));
  assert.doesNotMatch(kept, /private|draft/);
  assert.deepEqual((await context.cookies()).filter(({ name }) => name === "parley_refresh"), []);
  await page.reload();
  await page.getByRole("heading", { name: "Welcome back" }).waitFor();
}

export async function no_token_is_ever_stored({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person"));
  await ask(page, "Hello");
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  assert.doesNotMatch(kept, /eyJ|refresh/);
}

export async function who_is_signed_out_by_the_server_finds_the_draft_again({ visit, need }) {
  const person = await need("person");
  const { page } = await visit();
  await signIn(page, person);
  await ask(page, "First");
  await field(page).fill("not yet sent");
  await need("sql", "delete from parley.refresh_tokens where user_id = %s", person.user_id);
  await page.reload();
  await page.getByText("You have been signed out.").waitFor();
  await page.getByLabel("E-mail address").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  await page.keyboard.press("Enter");
  await field(page).waitFor();
  assert.equal(await field(page).inputValue(), "not yet sent");
}

export async function many_tabs_that_open_at_once_stay_signed_in({ visit, need }) {
  const person = await need("person");
  const { page, context } = await visit();
  await signIn(page, person);
  await ask(page, "Hello");
  await page.close();
  const tabs = await Promise.all([1, 2, 3, 4, 5].map(() => context.newPage()));
  await Promise.all(tabs.map((tab) => tab.goto("/")));
  await Promise.all(tabs.map((tab) => chats(tab).first().waitFor()));
  await Promise.all(tabs.map((tab) => tab.reload()));
  await Promise.all(tabs.map((tab) => chats(tab).first().waitFor()));
  await ask(tabs[4], "Still here");
  const [[revoked]] = await need("sql", "select count(*) from parley.refresh_tokens where user_id = %s and revoked_at is not null", person.user_id);
  assert.equal(revoked, 0);
}

export async function a_token_that_ends_in_mid_use_is_renewed_unseen({ visit, need }) {
  const { page } = await visit();
  await need("configure", { access_token_seconds: 30 });
  await signIn(page, await need("person"));
  // As after a night: the token that the page holds is over.
  await page.clock.install();
  await ask(page, "Before");
  await page.clock.fastForward(60000);
  await write(page, "After");
  await until(async () => (await answers(page).count()) === 2, "the second answer");
}

export async function the_account_is_kept_in_the_settings({ visit, need }) {
  const person = await need("person", "Ada");
  const { page } = await visit();
  await signIn(page, person);
  await openSettings(page);
  await page.getByLabel("Name", { exact: true }).fill("Grace Hopper");
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.getByText("Your name is saved.").waitFor();
  let changes = 0;
  page.on("request", (request) => (changes += /auth\/password$/.test(request.url())));
  await page.getByLabel("Current password").fill("mistyped");
  await page.getByLabel("New password").fill("another good password");
  await page.getByRole("button", { name: "Change password" }).click();
  await dialog.getByText("The current password is wrong.").waitFor();
  assert.equal(changes, 1);
  await page.getByLabel("Current password").fill(person.password);
  await page.getByLabel("New password").fill("another good password");
  await page.getByRole("button", { name: "Change password" }).click();
  await dialog.getByText("Your password is changed.").waitFor();
  assert.equal(await page.getByLabel("New password").inputValue(), "");
  await page.keyboard.press("Escape");
  await page.getByRole("heading", { name: /, Grace/ }).waitFor();
  await page.getByRole("button", { name: "Account: Grace Hopper" }).waitFor();

  const { page: other } = await visit();
  await other.goto("/");
  assert.equal(await trySignIn(other, person.email, person.password), "refused");
  assert.equal(await trySignIn(other, person.email, "another good password"), "in");
  await openSettings(page);
  await page.getByRole("button", { name: "Sign out everywhere" }).click();
  await page.getByRole("heading", { name: "Welcome back" }).waitFor();
  await other.reload();
  await other.getByText("You have been signed out.").waitFor();

  assert.equal(await trySignIn(page, person.email, "another good password"), "in");
  await openSettings(page);
  await page.getByLabel("Your password").fill(person.password);
  await page.getByRole("button", { name: "Delete my account" }).click();
  await page.getByRole("alert").getByText("The e-mail address or the password is wrong.").waitFor();
  await page.getByLabel("Your password").fill("another good password");
  await page.getByRole("button", { name: "Delete my account" }).click();
  await page.getByRole("heading", { name: "Welcome back" }).waitFor();
  assert.equal(await trySignIn(page, person.email, "another good password"), "refused");
  assert.deepEqual(await need("sql", "select 1 from parley.users where user_id = %s", person.user_id), []);
}

export async function a_dialog_leaves_alone_what_people_do({ visit, need }) {
  const { page } = await visit();
  await signIn(page, await need("person", "Ada"));
  await openSettings(page);
  const name = page.getByLabel("Name", { exact: true });

  // What is typed while a name is saved stays.
  let saved;
  await page.route("**/users/me", (route) => (route.request().method() === "PATCH" ? (saved = route) : route.continue()));
  await name.fill("Ada L");
  await page.keyboard.press("Enter");
  await until(() => saved, "the question");
  await name.fill("Ada Lovelace");
  await saved.continue();
  await page.getByRole("dialog").getByText("Your name is saved.").waitFor();
  assert.equal(await name.inputValue(), "Ada Lovelace");

  // A selection that ends outside closes nothing; a click there does.
  const { x, y, width, height } = await name.boundingBox();
  await page.mouse.move(x + width / 2, y + height / 2);
  await page.mouse.down();
  await page.mouse.move(20, y, { steps: 5 });
  await page.mouse.up();
  assert.equal(await page.getByRole("dialog").count(), 1);
  await page.mouse.click(20, y);
  await page.getByRole("dialog").waitFor({ state: "detached" });
}
