// A NestJS service with a handler of every shape: node service.mjs BROKERS PREFIX.
import {
  Controller, EventPattern, MessagePattern, Module, NestFactory, RpcException, Transport,
  concat, from, ignoreElements, interval, listen, map, options, take, tell, throwError, timer, topic,
} from './nest.mjs';

const ELEMENTS = [{ n: 1 }, { n: 2 }, { n: 3 }];
const ANSWERS = {
  object: () => ({ title: 'Träume', tags: ['a', 'b'], read: null }),
  array: () => [1, 'zwei', null],
  text: () => 'plain text',
  void: () => undefined,
  null: () => null,
  number: () => 42.5,
  boolean: () => false,
  'stream at once': () => from(ELEMENTS),
  'stream over time': () => interval(20).pipe(take(ELEMENTS.length), map((index) => ELEMENTS[index])),
  'stream that breaks': () => concat(from(ELEMENTS.slice(0, 1)), throwError(() => new RpcException('broken'))),
  'stream that ends late': () => concat(from(ELEMENTS), timer(1000).pipe(ignoreElements())),
  'error object': () => {
    throw new RpcException({ status: 404, code: 'article_not_found', detail: 'No article has this title.' });
  },
  'error text': () => {
    throw new RpcException('No article has this title.');
  },
  'error unknown': () => {
    throw new Error('inner text');
  },
};

class Shapes {
  echo(payload) {
    return payload;
  }

  answer(shape) {
    return ANSWERS[shape]();
  }

  noted(payload) {
    tell({ noted: payload });
  }
}

const decorate = (decorator, method) =>
  decorator(Shapes.prototype, method, Object.getOwnPropertyDescriptor(Shapes.prototype, method));
decorate(MessagePattern(topic('echo')), 'echo');
decorate(MessagePattern(topic('answer')), 'answer');
decorate(EventPattern(topic('noted')), 'noted');
Controller()(Shapes);

class Service {}
Module({ controllers: [Shapes] })(Service);

const service = await NestFactory.createMicroservice(Service, { transport: Transport.KAFKA, options, logger: ['error', 'fatal'] });
await service.listen();
listen(() => {});
process.once('SIGTERM', () => service.close().then(() => process.exit(0)));
tell({ ready: true });
