// A NestJS client that does what its lines say: node client.mjs BROKERS PREFIX NAME… (what it may ask).
// {"send": NAME, "data": …}, {"emit": NAME, "data": …} and {"measure": NAME, "data": …, "concurrency": N, "seconds": S},
// one at a time; each answers with one line.
import { ClientKafka, given, lastValueFrom, listen, options, tell, topic } from './nest.mjs';

const client = new ClientKafka(options);
given.forEach((name) => client.subscribeToResponseOf(topic(name)));
await client.connect();

const call = ({ send, emit, data }) => {
  const replies = [];
  const called = send === undefined ? client.emit(topic(emit), data) : client.send(topic(send), data);
  called.subscribe({
    // An event's only value is what the broker said.
    next: (reply) => send !== undefined && replies.push(reply),
    error: (error) => tell({ replies, error: error instanceof Error ? String(error) : error }),
    complete: () => tell({ replies }),
  });
};

// As many callers, each of which waits for its reply before it asks again.
const measure = async ({ measure: name, data, concurrency, seconds }) => {
  const times = [];
  const began = performance.now();
  const caller = async () => {
    while (performance.now() - began < seconds * 1000) {
      const asked = performance.now();
      const { title } = await lastValueFrom(client.send(topic(name), { ...data, title: `${data.title} ${times.length}` }));
      if (!title.startsWith(data.title)) throw new Error(`a reply of somebody else: ${title}`);
      times.push(performance.now() - asked);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  const took = (performance.now() - began) / 1000;
  times.sort((one, other) => one - other);
  const rank = (share) => times[Math.ceil(times.length * share) - 1];
  tell({ calls: times.length, seconds: took, p50_ms: rank(0.5), p99_ms: rank(0.99) });
};

listen((line) => {
  const command = JSON.parse(line);
  return command.measure === undefined ? call(command) : measure(command);
});
tell({ ready: true });
