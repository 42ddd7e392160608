// Versions: messages that stand in the same place of a chat, of which one is shown, with all that follows it.
import * as api from "../api/calls.js";
import { sentenceOf } from "../api/problem.js";
import { tellTabs } from "../lib/tabs.js";
import { announce, notify } from "./notices.js";

// The id of a version; null: there is none.
async function find(chat, { parent_id, sibling_count }, index, after) {
  for (let seen = 0; seen < sibling_count;) {
    const { items, more } = await api.listBranches(chat.id, after);
    for (const item of items.filter((each) => each.parent_id === parent_id)) {
      if (item.sibling_index === index) return item.message_id;
      seen++;
    }
    if (!more) break;
    after = items.at(-1).seq;
  }
  return null;
}

// What stands above it stays as it is, on the screen too.
export async function showVersion(chat, message, index) {
  if (chat.isBusy) return;
  chat.isSwitching.value = true;
  try {
    const parentOf = () => chat.path.find(({ id }) => id === message.parent_id);
    if (message.parent_id && !parentOf()) await chat.readOlder();
    const parent = parentOf();
    const after = parent?.seq ?? 0;
    const version = await find(chat, message, index, after);
    if (!version) return;
    await api.showBranch(chat.id, version);
    const items = await api.listMessagesAfter(chat.id, after);
    // In the same place of the screen: the focus stays on the button.
    for (const item of items) if (item.message_id === version) item.key = message.key;
    chat.era++;
    chat.scrollWish.value = { to: "stay" };
    chat.reconcile({ items, older: false }, parent ? [...chat.pathUpTo(parent.id), parent] : []);
    tellTabs("changed", chat.id);
    announce(`Version ${index} of ${message.sibling_count}.`);
  } catch (error) {
    notify(sentenceOf(error), { kind: "error" });
  } finally {
    chat.isSwitching.value = false;
  }
}
