// Pictures of the main screens, desktop and phone, light and dark; what they show is made up.
import { DESKTOP, PHONE } from "./browser.mjs";
import { answers, chats, field, settled, signIn, write } from "./page.mjs";

const folder = process.env.WEB_PICTURES;

const TALK = [
  ["user", "What is the difference between a mutex and a semaphore? Show me a small example in C."],
  ["assistant", `Both make threads wait, but they answer different questions.

- A **mutex** says *who* may go on: one thread holds it, and that same thread gives it back.
- A **semaphore** says *how many* may go on: it is a number that anybody may raise or lower.

\`\`\`c
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int count;

void count_one(void)
{
    pthread_mutex_lock(&lock);
    count++; /* one at a time */
    pthread_mutex_unlock(&lock);
}
\`\`\`

| | Mutex | Semaphore |
|---|---|---|
| Held by | one thread | nobody |
| Value | locked or not | 0, 1, 2, … |
| Good for | guarding data | counting room in a queue |

If you only want to guard data, take the mutex: its owner can be checked.`],
];
const CHATS = [
  ["Mutex and semaphore", TALK, 4],
  ["Packing list for Lofoten", [["user", "What do I pack for a week on Lofoten in May?"], ["assistant", "Layers, mostly. It can be four degrees and it can be sixteen."]], 95],
  ["Letter to the landlord", [["user", "Help me write a letter"], ["assistant", "Of course. What is it about, and how firm shall it sound?"]], 60 * 26],
  ["Sourdough that does not rise", [["user", "My dough does not rise"], ["assistant", "Three things are worth a look: the starter, the warmth, and the time."]], 60 * 24 * 3],
  ["Names for a small boat", [["user", "Names for a small boat"], ["assistant", "Halcyon, Tern, Second Wind, Marigold, and Late for Dinner."]], 60 * 24 * 5],
  ["Regular expressions for dates", [["user", "A regular expression for dates"], ["assistant", "That depends on how strict you want to be."]], 60 * 24 * 12],
  ["Birthday speech", [["user", "A speech for Mum"], ["assistant", "Start with a small thing only your family knows."]], 60 * 24 * 19],
  ["How tides work", [["user", "How do tides work?"], ["assistant", "The moon pulls on the near side more than on the far side."]], 60 * 24 * 44],
];

async function fill(url, need, person) {
  const headers = { Authorization: `Bearer ${person.token}`, "Content-Type": "application/json" };
  const post = async (path, body) => (await fetch(`${url}/api/v1${path}`, { method: "POST", headers, body: JSON.stringify(body) })).json();
  for (const [title, messages, minutes] of CHATS) {
    const { session_id } = await post("/sessions", { title });
    for (const [role, content] of messages) await post(`/sessions/${session_id}/messages`, { role, content });
    await need("sql", "update parley.chat_sessions set last_message_at = now() - %s * interval '1 minute' where session_id = %s", minutes, session_id);
  }
}

export async function pictures({ url, need, visit }) {
  await need("helper", "coach", "Running coach", "Tell me about your last run.");
  await need("helper", "editor", "Editor", "Paste the text; I mark what could be shorter.");
  for (const [size, sizeName, touch] of [[DESKTOP, "desktop", false], [PHONE, "phone", true]]) {
    for (const dark of [false, true]) {
      const person = await need("person", "Ada Lovelace");
      await fill(url, need, person);
      const { page, context } = await visit({ size, dark, touch });
      const name = (what) => `${folder}/${sizeName}-${dark ? "dark" : "light"}-${what}.png`;
      await page.goto("/");
      await page.getByRole("heading", { name: "Welcome back" }).waitFor();
      await page.screenshot({ path: name("sign-in") });
      await signIn(page, person);
      await page.waitForTimeout(400);
      await page.screenshot({ path: name("new") });
      if (touch) {
        await page.getByRole("button", { name: "Open sidebar" }).click();
        await page.waitForTimeout(400);
        await page.screenshot({ path: name("list") });
      }
      await chats(page).first().locator("a").click();
      await page.locator(".hl-type, .hl-keyword").first().waitFor();
      await page.waitForTimeout(400);
      await page.screenshot({ path: name("chat") });
      await page.locator(".scroller").evaluate((element) => (element.scrollTop = 0));
      await page.waitForTimeout(300);
      await page.screenshot({ path: name("chat-top") });
      await write(page, "script:slow:70:60");
      await page.waitForTimeout(1800);
      await page.screenshot({ path: name("writing") });
      await page.keyboard.press("Escape");
      await settled(page);
      await write(page, "script:cut:9");
      await page.getByText("The answer broke off.").first().waitFor();
      await settled(page);
      await context.setOffline(true);
      await write(page, "Are you still there?");
      await page.getByRole("button", { name: "Send again" }).waitFor();
      await page.screenshot({ path: name("trouble") });
      await context.setOffline(false);
      await page.getByRole("button", { name: "Discard" }).click();
      if (!touch) {
        await answers(page).first().hover();
        await page.locator(".question").first().hover();
        await page.locator(".question").first().getByRole("button", { name: "Edit message" }).click();
        await page.waitForTimeout(200);
        await page.screenshot({ path: name("edit") });
        await page.keyboard.press("Escape");
        await chats(page).nth(1).hover();
        await chats(page).nth(1).getByRole("button", { name: /^Options/ }).click();
        await page.waitForTimeout(200);
        await page.screenshot({ path: name("menu") });
        await page.getByRole("menu").getByText("Delete").click();
        await page.locator(".notice").waitFor();
        await page.waitForTimeout(300);
        await page.screenshot({ path: name("deleted") });
        await page.keyboard.press("Control+/");
        await page.waitForTimeout(300);
        await page.screenshot({ path: name("shortcuts") });
        await page.keyboard.press("Escape");
      }
      if (touch) await page.getByRole("button", { name: "Open sidebar" }).click();
      await page.getByRole("button", { name: /^Account/ }).click();
      await page.waitForTimeout(200);
      await page.screenshot({ path: name("account") });
      await page.getByRole("menu").getByText("Settings").click();
      await page.getByText("Delete my account and all chats").waitFor();
      await page.waitForTimeout(300);
      await page.screenshot({ path: name("settings") });
      await page.keyboard.press("Escape");
      await field(page).waitFor({ state: "attached" });
      await context.close();
    }
  }
}
