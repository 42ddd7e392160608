// A text that is typed, kept on this device: a moment after the last key, and at once when its field or the page is left.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { keepDraft, readDraft } from "../state/drafts.js";

const SOON_MS = 250;

// message: the one that is edited, whose text is there to begin with; null: the chat's field. Answers [text, setText, drop]; drop puts back what was
// there to begin with. Only what was typed here is written: another tab may have the same field.
export function useDraft(chat, message = null) {
  const initial = message?.content ?? "";
  const [text, setText] = useState(() => readDraft(chat?.id, message?.id) || initial);
  const typed = useRef(text);
  const kept = useRef({ id: chat?.id, text });
  typed.current = text;
  const keep = () => {
    const { id, text: before } = kept.current;
    if (!chat || (before === typed.current && id === chat.id)) return;
    // A new chat that got its id takes along what was typed in it.
    if (id !== chat.id && readDraft(id) === before) keepDraft(id, "");
    kept.current = { id: chat.id, text: typed.current };
    keepDraft(chat.id, typed.current === initial ? "" : typed.current, message?.id);
  };
  useEffect(() => {
    const timer = setTimeout(keep, SOON_MS);
    return () => clearTimeout(timer);
  }, [text]);
  useLayoutEffect(keep, [chat?.id]);
  useEffect(() => {
    addEventListener("pagehide", keep);
    addEventListener("keepdrafts", keep);
    return () => {
      removeEventListener("pagehide", keep);
      removeEventListener("keepdrafts", keep);
      keep();
    };
  }, []);
  const drop = () => {
    typed.current = initial;
    keep();
    setText(initial);
  };
  return [text, setText, drop];
}
