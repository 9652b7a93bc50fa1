/** What counts in one segment, copied to another file without what is to leave. */
import { closeSync, openSync } from "node:fs";
import { hashAt, type IdHash, NO_ID } from "../../pattern/id-hash.ts";
import type { Block } from "./block-index.ts";
import { type CompressedWriter, listBlocks, readBlock } from "./compressed.ts";
import type { IdIndex } from "./ids.ts";
import type { Leaving } from "./leaving.ts";
import { eachLine, readRange } from "./lines.ts";
import type { SegmentIds } from "./segment-ids.ts";
import type { Segment } from "./segments.ts";

export interface Moved {
  readonly from: Segment;
  /** Offsets of its lines that no longer count. */
  readonly gone: ReadonlySet<number>;
  /** How many lines were copied, and how many not since they are replaced. */
  kept: number;
  replaced: number;
  /** How many lines of any version left, and of how many patterns that was the one that counts. */
  left: number;
  patternsLeft: number;
}

export function movedFrom(from: Segment, gone: ReadonlySet<number>): Moved {
  return { from, gone, kept: 0, replaced: 0, left: 0, patternsLeft: 0 };
}

export interface Target {
  readonly out: CompressedWriter;
  readonly ids: SegmentIds;
}

/** A step a block. */
export function* copy(
  moved: Moved,
  { out, ids }: Target,
  leaving: Leaving,
  index: IdIndex,
): Generator<void, void> {
  for (const { block, bytes } of textOf(moved.from, index.blocksOf(moved.from))) {
    const span = leaving.spanLeft(block);
    const all = leaving.ofBlock(block);
    eachPattern(block, bytes, (line, hash, offset) => {
      const isReplaced = moved.gone.has(offset);
      if (hash !== NO_ID && (all ?? leaving.ofLine(line, hash))) {
        moved.left += 1;
        if (!isReplaced) moved.patternsLeft += 1;
      } else if (isReplaced) moved.replaced += 1;
      else {
        const { end, endsBlock } = out.addLine(line);
        ids.add(hash, span.oldest, span.newest, end);
        if (endsBlock) ids.endBlock();
        moved.kept += 1;
      }
    });
    yield;
  }
}

/** Whether any line leaves: read, a step a block, up to the first that does. */
export function* leavesAny(
  sources: readonly Segment[],
  leaving: Leaving,
  index: IdIndex,
): Generator<void, boolean> {
  for (const from of sources) {
    for (const { block, bytes } of textOf(from, index.blocksOf(from))) {
      const all = leaving.ofBlock(block);
      let leaves = false;
      if (all !== false)
        eachPattern(block, bytes, (line, hash) => {
          leaves ||= hash !== NO_ID && (all ?? leaving.ofLine(line, hash));
        });
      if (leaves) return true;
      yield;
    }
  }
  return false;
}

/** Each line of a block, with the hash of its id and where it begins. */
function eachPattern(
  block: Block,
  bytes: Buffer,
  visit: (line: Buffer, hash: IdHash, offset: number) => void,
): void {
  let line = 0;
  eachLine({ bytes, offset: block.from }, (text, offset) => {
    visit(text, hashAt(block.hashes, line), offset);
    line += 1;
  });
}

function* textOf(
  { path, compressed }: Segment,
  blocks: readonly Block[],
): Generator<{ readonly block: Block; readonly bytes: Buffer }, void> {
  const fd = openSync(path, "r");
  try {
    const packed = compressed ? listBlocks(fd, path) : undefined;
    for (const block of blocks) {
      const next = packed?.next().value;
      yield { block, bytes: next ? readBlock(fd, path, next).bytes : readRange(fd, block) };
    }
  } finally {
    closeSync(fd);
  }
}
