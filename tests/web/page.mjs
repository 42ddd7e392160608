// The page in the words of those who use it: where things are, and what people do with them.

export const field = (page) => page.getByRole("textbox", { name: "Message", exact: true });
export const answers = (page) => page.getByRole("article", { name: "Answer" });
export const questions = (page) => page.getByRole("article", { name: "You", exact: true });
export const chats = (page) => page.locator(".chat-row");
export const row = (page, title) => chats(page).filter({ hasText: title });
export const note = (page, text) => page.locator(".notice").filter({ hasText: text });

export async function signIn(page, person) {
  await page.goto("/");
  await page.getByLabel("E-mail address").fill(person.email);
  await page.getByLabel("Password", { exact: true }).fill(person.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await field(page).waitFor();
}

export async function write(page, text) {
  await field(page).fill(text);
  await page.getByRole("button", { name: "Send", exact: true }).click();
}

// Waits until no answer is being written.
export async function settled(page) {
  await page.getByRole("button", { name: "Send", exact: true }).waitFor();
  await page.locator(".message.is-writing").waitFor({ state: "detached" });
}

export async function ask(page, text) {
  await write(page, text);
  await page.locator(".question").filter({ hasText: text.slice(0, 40) }).last().waitFor();
  await page.waitForURL(/\/c\//);
  await settled(page);
}

export async function choose(page, menu, item) {
  await menu.click();
  await page.getByRole("menu").getByText(item, { exact: true }).click();
}

export function rowMenu(page, title) {
  return row(page, title).first().getByRole("button", { name: /^Options/ });
}
