import { concat, Reader } from './bytes';
import { type Certificate, MAX_CERTIFICATE_BYTES, readCertificate } from './certificate';
import { SIGNATURE_BYTES } from './ed25519';
import { type Header, HEADER_BYTES, readHeader } from './header';
import { about, Refused } from './refused';

/** A header with its proposer's signature, and its finality certificate where it has one of its own. */
export interface SignedHeader {
  readonly header: Header;
  readonly signature: Uint8Array;
  readonly certificate: Certificate | null;
}

const LENGTH_BYTES = 4;
const MAX_FRAME_BYTES = HEADER_BYTES + SIGNATURE_BYTES + 1 + MAX_CERTIFICATE_BYTES;

/** Decodes a frame of `GET /v1/headers`: a header, its signature and perhaps a certificate (docs/protocol.md §2). */
export function decodeFrame(bytes: Uint8Array): SignedHeader {
  return about('a frame of the stream of headers', () =>
    Reader.all(bytes, (reader) => ({
      header: readHeader(reader),
      signature: reader.fixed(SIGNATURE_BYTES),
      certificate: reader.option(readCertificate),
    })),
  );
}

/** Cuts the stream of `GET /v1/headers` into its frames, each a 32-bit little-endian length and that many bytes. */
export class FrameReader {
  #rest: Uint8Array = new Uint8Array();

  /** Takes the stream's next bytes and returns what is complete with them. */
  push(chunk: Uint8Array): SignedHeader[] {
    const frames: SignedHeader[] = [];
    let rest = concat(this.#rest, chunk);
    while (rest.length >= LENGTH_BYTES) {
      const length = new DataView(rest.buffer, rest.byteOffset).getUint32(0, true);
      if (length > MAX_FRAME_BYTES) {
        throw new Refused(`a frame of ${length} bytes is longer than any header`);
      }
      const end = LENGTH_BYTES + length;
      if (rest.length < end) {
        break;
      }
      frames.push(decodeFrame(rest.subarray(LENGTH_BYTES, end)));
      rest = rest.subarray(end);
    }
    this.#rest = rest;
    return frames;
  }

  /** Says that the stream has ended; an incomplete frame is refused. */
  end(): void {
    if (this.#rest.length > 0) {
      throw new Refused('the stream of headers ends within a frame');
    }
  }
}
