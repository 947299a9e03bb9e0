// What the gateway and the services share: NestJS and its neighbours, the broker, who asks and who answers.
import { ClientKafka, NestFactory, Transport, given, lastValueFrom, listen, require, tell, topic } from '../nest/nest.mjs';

export {
  Controller, EventPattern, MessagePattern, Module, NestFactory, RpcException, given, listen, tell, topic,
} from '../nest/nest.mjs';
export { require };
export const { Body, Get, Headers, HttpCode, HttpException, Param, Post, Query } = require('@nestjs/common');
export const { FastifyAdapter } = require('@nestjs/platform-fastify');

const [brokers] = process.argv.slice(2);

const options = (name) => ({
  client: { clientId: topic(name), brokers: brokers.split(',') },
  consumer: { groupId: topic(name) },
  // A reader that begins at the end loses what comes before it knows where that is.
  subscribe: { fromBeginning: true },
});

// Decorators as a compiler applies them; parameters by their place.
export const decorate = (type, method, decorators, ...parameters) => {
  const descriptor = Object.getOwnPropertyDescriptor(type.prototype, method);
  parameters.forEach((parameter, place) => parameter(type.prototype, method, place));
  decorators.forEach((decorator) => decorator(type.prototype, method, descriptor));
};

// Somebody who asks and waits, and tells without waiting.
export const connect = async (name, asks) => {
  const client = new ClientKafka(options(name));
  asks.forEach((each) => client.subscribeToResponseOf(topic(each)));
  await client.connect();
  return {
    ask: (pattern, data) => lastValueFrom(client.send(topic(pattern), data)),
    tell: (pattern, key, value) => client.emit(topic(pattern), { key, value }).subscribe(),
  };
};

export const database = (url) => {
  const { Pool } = require('pg');
  return new Pool({ connectionString: url, max: 10 });
};

const ready = (app) => {
  listen(() => {});
  process.once('SIGTERM', () => app.close().then(() => process.exit(0)));
  tell({ ready: true });
};

export const serve = async (name, module) => {
  const service = await NestFactory.createMicroservice(module, {
    transport: Transport.KAFKA, options: options(name), logger: ['error', 'fatal'],
  });
  await service.listen();
  ready(service);
};

export const serveHttp = async (port, module) => {
  const app = await NestFactory.create(module, new FastifyAdapter(), { logger: ['error', 'fatal'] });
  await app.listen(Number(port), '127.0.0.1');
  ready(app);
};
