import { close, constants, fstat, open, writeFile } from 'node:fs';
import { Socket } from 'node:net';
import { basename, dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { assertOwnPipe, refused, STDOUT_FD } from '../files/output-path.ts';
import { inHeldFolder } from '../files/own-links.ts';

const STDERR_FD = 2;
/** Nothing tells that a pipe has got a reader. */
const LOOK_FOR_READER_MS = 50;
/** When somebody at a terminal begins to wonder. */
const SAY_AFTER_MS = 1_000;

export interface PipeOptions {
  /** See outputPath. */
  owner?: number;
  /** Called once, when there has been no reader for a second. */
  onWaiting?: () => void;
  /** Ends the wait for a reader; what has begun to be written is written. */
  giveUp?: AbortSignal;
  /** Ends it at once. */
  stop?: AbortSignal;
}

/**
 * Writes all of a text to a named pipe, once there is a reader and as fast as it reads, and closes it.
 *
 * @param path as outputPath gives it
 * @returns false where it was given up before there was a reader
 * @throws StartError for what is there by now and is no pipe, or another user's; Error of the file system
 */
export async function writeToPipe(path: string, content: Uint8Array, options: PipeOptions = {}): Promise<boolean> {
  const fd = await openForReader(path, options);
  if (fd === undefined) return false;
  const stream = new Socket({ fd, readable: false, writable: true });
  stream.on('error', () => {});
  try {
    await written(stream, content, options.stop);
  } finally {
    stream.destroy();
  }
  return true;
}

async function openForReader(path: string, options: PipeOptions): Promise<number | undefined> {
  const { onWaiting, giveUp, stop } = options;
  const began = performance.now();
  let said = false;
  while (!giveUp?.aborted && !stop?.aborted) {
    const fd = await openPipe(path, options.owner ?? -1);
    if (fd !== undefined) return fd;
    if (!said && performance.now() - began >= SAY_AFTER_MS) {
      said = true;
      onWaiting?.();
    }
    await wait(LOOK_FOR_READER_MS);
  }
  return undefined;
}

/** Undefined where nobody has it open to read. */
async function openPipe(path: string, owner: number): Promise<number | undefined> {
  // A link of /proc leads to the pipe itself, and its folder can't be changed.
  const isOfProcess = path.startsWith('/proc/');
  const flags = constants.O_WRONLY | constants.O_NONBLOCK | (isOfProcess ? 0 : constants.O_NOFOLLOW);
  const opened = (at: string) =>
    promisify(open)(at, flags).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENXIO') return undefined;
      throw error;
    });
  const fd = isOfProcess
    ? await opened(path)
    : await inHeldFolder(dirname(path), (folder) => opened(join(folder, basename(path))));
  if (fd === undefined) return undefined;
  try {
    const found = await promisify(fstat)(fd);
    if (!found.isFIFO()) throw refused(path, 'is no pipe any more');
    if (!isOfProcess) assertOwnPipe(path, found, owner);
    return fd;
  } catch (error) {
    await promisify(close)(fd);
    throw error;
  }
}

/** Streams of descriptors, which stay open. */
const streams = new Map<number, Writable>();

/**
 * Writes all of a text to a descriptor of this process, as fast as it is read, and leaves it open: a file goes on from where
 * it is.
 *
 * @throws Error of the system, EPIPE where the reader has gone
 */
export async function writeToDescriptor(fd: number, content: Uint8Array, stop?: AbortSignal): Promise<void> {
  const stream = streams.get(fd) ?? (await streamOf(fd));
  if (!stream) return promisify(writeFile)(fd, content);
  streams.set(fd, stream);
  await written(stream, content, stop);
}

async function streamOf(fd: number): Promise<Writable | undefined> {
  const found = await promisify(fstat)(fd);
  if (!found.isFIFO() && !found.isSocket()) return undefined;
  const stream =
    fd === STDOUT_FD
      ? process.stdout
      : fd === STDERR_FD
        ? process.stderr
        : new Socket({ fd, readable: false, writable: true });
  // What fails is told to who wrote.
  return stream.on('error', () => {});
}

function written(stream: Writable, content: Uint8Array, stop: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stopped = () => reject(stop!.reason);
    stop?.addEventListener('abort', stopped, { once: true });
    stream.write(content, (error) => {
      stop?.removeEventListener('abort', stopped);
      if (error) reject(error);
      else resolve();
    });
  });
}
