// The documented front end of a single thread: its four functions word by word, over what a browser and React would give them. Its reader of
// streams splits at '\\n' as the text was escaped; '\n' is what it means. Tells what they did, a line of JSON each.
import { order, tell } from "./talk.mjs";

const token = order.token;
const here = (path, init) => globalThis.fetch(new URL(path, order.url), init);
const log = [];

async function run(fetch, console, setMessages, setStatus, appendToken) {
  const sendMessage = async (message) => {
    const response = await fetch('/chat', {
      method: 'POST',
      headers: {
        'Authorization': `Bearer ${token}`,
        'Content-Type': 'application/json'
      },
      body: JSON.stringify({ message })
    });
    
    const data = await response.json();
    console.log(data.response);
    console.log('Thread:', data.thread_id);
  };

  const sendMessageStream = async (message) => {
    const response = await fetch('/chat/stream', {
      method: 'POST',
      headers: {
        'Authorization': `Bearer ${token}`,
        'Content-Type': 'application/json'
      },
      body: JSON.stringify({ message })
    });
    
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    
    while (true) {
      const { done, value } = await reader.read();
      if (done) break;
      
      const text = decoder.decode(value);
      const lines = text.split('\n');
      
      for (const line of lines) {
        if (line.startsWith('data: ')) {
          const data = JSON.parse(line.slice(6));
          
          if (data.type === 'status') {
            setStatus(data.content);
          } else if (data.type === 'token') {
            appendToken(data.content);
          } else if (data.type === 'done') {
            console.log('Thread:', data.thread_id);
          }
        }
      }
    }
  };

  const getHistory = async () => {
    const response = await fetch('/chat/history?limit=50', {
      headers: {
        'Authorization': `Bearer ${token}`
      }
    });
    
    const data = await response.json();
    setMessages(data.messages);
  };

  const clearHistory = async () => {
    const response = await fetch('/chat/history', {
      method: 'DELETE',
      headers: {
        'Authorization': `Bearer ${token}`
      }
    });
    
    const data = await response.json();
    if (data.success) {
      setMessages([]);
    }
  };

  await sendMessage(order.messages[0]);
  await sendMessageStream(order.messages[1]);
  await getHistory();
  await clearHistory();
  await getHistory();
}

let tokens = "";
await run(here, { log: (...words) => log.push(words) }, (messages) => tell({ messages }), (status) => tell({ status }),
  (content) => { tokens += content; });
tell({ log, tokens });
