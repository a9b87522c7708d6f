import { gzipSync } from 'node:zlib';
import type { Files } from './artefact.ts';

/** Every file's time, as in the tarballs of `npm pack`: 26 October 1985, 08:15 UTC. In seconds. */
const MTIME = 499_162_500;
const BLOCK = 512;

/**
 * A compressed tar archive (POSIX ustar) of files: the same bytes for the same files, since paths are sorted and times and
 * owners are fixed.
 *
 * @param prefix the folder in the archive that has them all
 */
export function tarball(files: Files, prefix: string): Buffer {
  const parts: Buffer[] = [];
  for (const [path, { content, executable }] of [...files].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const bytes = Buffer.from(content);
    parts.push(header(`${prefix}/${path}`, bytes.length, executable ? 0o755 : 0o644), bytes);
    parts.push(Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK));
  }
  // Two empty blocks end it.
  parts.push(Buffer.alloc(2 * BLOCK));
  return gzipSync(Buffer.concat(parts), { level: 9 });
}

function header(path: string, size: number, mode: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  if (Buffer.byteLength(path) > 100) throw new Error(`the path is too long for an archive: ${path}`);
  const octal = (value: number, offset: number, width: number) =>
    block.write(`${value.toString(8).padStart(width - 1, '0')}\0`, offset);
  block.write(path, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(MTIME, 136, 12);
  // The checksum counts as spaces while it is made.
  block.write('        ', 148);
  block.write('0', 156);
  block.write('ustar\x0000', 257);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
