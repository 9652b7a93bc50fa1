/** Many connections to one daemon, and what they cost it. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished } from "vitest";
import { askHealth, balance, type Health, lines, type Receipt, send } from "./client.ts";
import type { Daemon } from "./daemon.ts";
import { taskLine } from "./patterns.ts";

const MIB = 1024 * 1024;
/** Fewer than the kernel lets wait for a daemon that is busy. */
const AT_ONCE = 100;

/** A connection that stays open until the test is over. */
export async function open(path: string): Promise<Socket> {
  const socket = connect({ path, allowHalfOpen: true });
  onTestFinished(() => {
    socket.destroy();
  });
  await once(socket, "connect");
  socket.on("error", () => {});
  return socket;
}

/** All of them are open and accepted. */
export async function openMany(daemon: Daemon, count: number): Promise<Socket[]> {
  const all: Socket[] = [];
  while (all.length < count) {
    const more = Math.min(AT_ONCE, count - all.length);
    all.push(...(await Promise.all(Array.from({ length: more }, () => open(daemon.sockets.ingest)))));
    await until(daemon, ({ connections }) => connections >= all.length);
  }
  return all;
}

/** Asks again and again. */
export async function until({ sockets }: Daemon, accepts: (health: Health) => boolean): Promise<void> {
  while (!accepts(await askHealth(sockets.query)));
}

/** Resolves when the kernel has all of it. */
export function write(socket: Socket, content: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(content, (error) => (error ? reject(error) : resolve()));
  });
}

/** What somebody who behaves gets, beside all others. */
export async function behave({ sockets }: Daemon): Promise<Receipt> {
  return (await send(sockets.ingest, [lines(taskLine(), taskLine())])).receipt;
}

export const SERVED: Receipt = { lines: 2, stored: 2, rejected: 0, not_collected: 0 };

/** @returns the lines in flight. */
export async function expectBalance({ sockets }: Daemon): Promise<number> {
  const { lines: counts } = await askHealth(sockets.query);
  const { came, went } = balance(counts, counts.in_flight);
  expect(went).toBe(came);
  return counts.in_flight;
}

/** In MiB: now, and at most so far. */
export function memory({ pid }: Daemon): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kibOf = (name: string) => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]);
  return { now: kibOf("VmRSS") / 1024, peak: kibOf("VmHWM") / 1024 };
}

/**
 * The most memory, in MiB, that a daemon which took `start` may take when `bytes` is all that it may hold by its
 * configuration. What is held is garbage for a while when it is not held any more: V8 lets live objects double before
 * it looks for it. Buffers it lets grow by 64 MiB (kExternalAllocationSoftLimit), and the young generation by 48 MiB.
 */
export function memoryBound(start: number, bytes: number): number {
  return start + (2 * bytes) / MIB + 64 + 48;
}
