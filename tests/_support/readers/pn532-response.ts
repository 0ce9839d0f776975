/** The chip's answer to command `code` as a frame (NXP UM0701-02, 6.2.1), written apart from the driver's encoder. */
export function responseFrame(code: number, data: readonly number[]): Uint8Array {
  const payload = [0xd5, code + 1, ...data];
  const sum = payload.reduce((total, byte) => total + byte, 0);
  const { length } = payload;
  return Uint8Array.from([0x00, 0x00, 0xff, length, -length & 0xff, ...payload, -sum & 0xff, 0x00]);
}
