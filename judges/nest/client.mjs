// A NestJS client that does what its lines say: node client.mjs BROKERS PREFIX NAME… (what it may ask).
// {"send": NAME, "data": …} and {"emit": NAME, "data": …}, one at a time; each answers with one line.
import { ClientKafka, given, listen, options, tell, topic } from './nest.mjs';

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

listen((line) => call(JSON.parse(line)));
tell({ ready: true });
