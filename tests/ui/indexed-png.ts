import { crc32, deflateSync, inflateSync } from 'node:zlib';

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const paletteSize = 256;

interface Pixels {
  readonly width: number;
  readonly height: number;
  /** `0xRRGGBB`, line by line. */
  readonly colours: Uint32Array;
}

/** Undoes the filter of a line in place, given the line above. */
function unfilter(type: number, line: Uint8Array, above: Uint8Array, bytesPerPixel: number): void {
  for (let index = 0; index < line.length; index += 1) {
    const left = line[index - bytesPerPixel] ?? 0;
    const up = above[index] ?? 0;
    const upLeft = above[index - bytesPerPixel] ?? 0;
    const guess = left + up - upLeft;
    const distances = [Math.abs(guess - left), Math.abs(guess - up), Math.abs(guess - upLeft)] as const;
    const smallest = Math.min(...distances);
    const paeth = distances[0] === smallest ? left : distances[1] === smallest ? up : upLeft;
    const predicted = [0, left, up, (left + up) >> 1, paeth][type];
    if (predicted === undefined) throw new Error(`no PNG filter ${type}`);
    line[index] = ((line[index] ?? 0) + predicted) & 0xff;
  }
}

/** Reads a PNG as browsers write it: 8 bits a channel, not interlaced. Transparency is dropped. */
function decode(png: Buffer): Pixels {
  const data: Buffer[] = [];
  for (let at = signature.length; at < png.length; at += 12 + png.readUInt32BE(at))
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT')
      data.push(png.subarray(at + 8, at + 8 + png.readUInt32BE(at)));
  const width = png.readUInt32BE(16);
  const height = png.readUInt32BE(20);
  const [depth, type, , , interlace] = png.subarray(24, 29);
  const bytesPerPixel = type === 2 ? 3 : type === 6 ? 4 : 0;
  if (depth !== 8 || bytesPerPixel === 0 || interlace !== 0) throw new Error('not a PNG of a browser');
  const raw = inflateSync(Buffer.concat(data));
  const colours = new Uint32Array(width * height);
  const stride = width * bytesPerPixel;
  let above = new Uint8Array(stride);
  for (let y = 0; y < height; y += 1) {
    const begin = y * (stride + 1);
    const line = raw.subarray(begin + 1, begin + 1 + stride);
    unfilter(raw[begin] ?? 0, line, above, bytesPerPixel);
    for (let x = 0; x < width; x += 1) colours[y * width + x] = line.readUIntBE(x * bytesPerPixel, 3);
    above = line;
  }
  return { width, height, colours };
}

function distance(one: number, other: number): number {
  const channels = [16, 8, 0].map((shift) => ((one >> shift) & 0xff) - ((other >> shift) & 0xff));
  return channels.reduce((sum, channel) => sum + channel * channel, 0);
}

/** The most frequent colours, and for every other colour the nearest of them, by place. */
function choosePalette(colours: Uint32Array): { palette: readonly number[]; places: Map<number, number> } {
  const counts = new Map<number, number>();
  for (const colour of colours) counts.set(colour, (counts.get(colour) ?? 0) + 1);
  const byCount = [...counts].sort(([, one], [, other]) => other - one).map(([colour]) => colour);
  const palette = byCount.slice(0, paletteSize);
  const places = new Map(palette.map((colour, place) => [colour, place]));
  for (const colour of byCount.slice(paletteSize)) {
    const distances = palette.map((candidate) => distance(candidate, colour));
    places.set(colour, distances.indexOf(Math.min(...distances)));
  }
  return { palette, places };
}

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length, 0);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
}

/** Makes a screenshot about a third of its size: one byte a pixel, out of 256 colours. */
export function toIndexedPng(png: Buffer): Buffer {
  const { width, height, colours } = decode(png);
  const { palette, places } = choosePalette(colours);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // 8 bits, by palette.
  header.set([8, 3], 8);
  const lines = Buffer.alloc((width + 1) * height);
  for (const [index, colour] of colours.entries())
    lines[index + Math.floor(index / width) + 1] = places.get(colour) ?? 0;
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk(
      'PLTE',
      Buffer.from(palette.flatMap((colour) => [colour >> 16, (colour >> 8) & 0xff, colour & 0xff])),
    ),
    chunk('IDAT', deflateSync(lines, { level: 9, memLevel: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
