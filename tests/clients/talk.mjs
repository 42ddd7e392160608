// What the clients here share: the order is the one argument, as JSON; what is seen is written as a line of JSON each.

export const order = JSON.parse(process.argv[2]);

export function tell(what) {
  process.stdout.write(JSON.stringify(what) + "\n");
}

export function tellEvent(event) {
  tell({ id: event.id, data: event.data });
  return ["done", "error"].includes(JSON.parse(event.data).type);
}
