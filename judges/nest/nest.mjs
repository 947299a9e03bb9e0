// What the programs share: NestJS as it lies in the working directory, a broker, an end with their parent.
import { fstatSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

export const require = createRequire(`${process.cwd()}/package.json`);
require('reflect-metadata');

export const { Controller, Logger, Module } = require('@nestjs/common');
export const { NestFactory } = require('@nestjs/core');
export const { ClientKafka, EventPattern, MessagePattern, RpcException, Transport } = require('@nestjs/microservices');
export const { concat, from, ignoreElements, interval, lastValueFrom, map, take, throwError, timer } = require('rxjs');

const [brokers, prefix, ...rest] = process.argv.slice(2);
export const given = rest;

// Its log goes to standard output but for errors: those lines are ours.
Logger.overrideLogger(['error', 'fatal']);

export const topic = (name) => `${prefix}.${name}`;

export const options = {
  client: { clientId: prefix, brokers: brokers.split(',') },
  consumer: { groupId: prefix },
  // A reader that begins at the end loses what comes before it knows where that is.
  subscribe: { fromBeginning: true },
};

// One line of JSON for the parent; undefined (a Nest void) is told apart from null.
export const tell = (what) =>
  process.stdout.write(`${JSON.stringify(what, (_, value) => (value === undefined ? '<undefined>' : value))}\n`);

// Standard input ends when the parent does, however that ends; without a parent at its other end a signal does it.
export const listen = (onLine) => {
  if (fstatSync(0).isCharacterDevice()) return;
  createInterface({ input: process.stdin })
    .on('line', onLine)
    .on('close', () => process.exit(0));
};
