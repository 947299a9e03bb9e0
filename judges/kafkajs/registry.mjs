// kafkajs's client of schema registries, which does what its lines say: node registry.mjs ADDRESS.
// {"register": TEXT, "subject": …}, {"encode": VALUE, "id": …} and {"decode": BASE64}; each answers with one line.
// Bytes inside of a value are as Node writes a Buffer: {"type": "Buffer", "data": […]}.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(`${process.cwd()}/package.json`);
const { SchemaRegistry, SchemaType } = require('@kafkajs/confluent-schema-registry');

const registry = new SchemaRegistry({ host: process.argv[2] });
const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const revive = (_, value) => (value?.type === 'Buffer' ? Buffer.from(value.data) : value);

const answer = async ({ register, subject, encode, decode, id }) => {
  if (register !== undefined) return registry.register({ type: SchemaType.AVRO, schema: register }, { subject });
  if (encode !== undefined) return (await registry.encode(id, encode)).toString('base64');
  return registry.decode(Buffer.from(decode, 'base64'));
};

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    try {
      tell({ answer: await answer(JSON.parse(line, revive)) });
    } catch (error) {
      tell({ error: String(error) });
    }
  })
  .on('close', () => process.exit(0));
tell({ ready: true });
