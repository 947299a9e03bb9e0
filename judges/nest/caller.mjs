// Measures an echo of NestJS: node caller.mjs BROKERS PREFIX IN_FLIGHT SECONDS. One line of JSON, as bench/rpc has it.
import { ClientKafka, given, lastValueFrom, options, tell, topic } from './nest.mjs';

const WARM_UP_SECONDS = 2;
const TEXT = 'x'.repeat(100);
const [inFlight, seconds] = given.map(Number);

const client = new ClientKafka(options);
client.subscribeToResponseOf(topic('echo'));
await client.connect();

const ask = async (number) => {
  const reply = await lastValueFrom(client.send(topic('echo'), { number, text: TEXT }));
  if (reply.number !== number) throw new Error('a call got the reply of another');
};

// So many callers, each of which waits for its reply before it asks again.
const call = async (until) => {
  const took = [];
  const caller = async (first) => {
    for (let number = first; ; number += inFlight) {
      const began = performance.now();
      if (began >= until) return;
      await ask(number);
      took.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, first) => caller(first)));
  return took.sort((one, other) => one - other);
};

await ask(0); // its service is there
await call(performance.now() + WARM_UP_SECONDS * 1000);
const began = performance.now();
const cpu = process.cpuUsage();
const took = await call(began + seconds * 1000);
const { user, system } = process.cpuUsage(cpu);
const rank = (share) => took[Math.ceil(took.length * share) - 1];
tell({
  calls: took.length,
  seconds: (performance.now() - began) / 1000,
  p50_ms: rank(0.5),
  p99_ms: rank(0.99),
  cpu_us: (user + system) / took.length,
});
await client.close();
process.exit(0);
