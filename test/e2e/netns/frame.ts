/**
 * What the forwarding process reads of an Ethernet frame, as a macvtap device hands it over: behind a header of ten bytes
 * (virtio_net_hdr, which says what the checksum still needs and is handed back as it came).
 */

/** Bytes before the frame. */
export const TAP_HEADER_BYTES = 10
const ETHERNET_BYTES = 14
const IPV4 = 0x0800
const TCP = 6

export interface Frame {
  /** On the wire, Ethernet's header included; without preamble and checksum, as interfaces count. */
  readonly bytes: number
  /** Last byte of the IPv4 addresses; undefined: something else, such as ARP. */
  readonly from: number | undefined
  readonly to: number | undefined
  /** Of TCP; 0: a bare acknowledgement, or not TCP. */
  readonly payloadBytes: number
}

/** `packet`: one read of the device. Undefined: too short to be a frame. */
export function readFrame(packet: Uint8Array): Frame | undefined {
  const frame = packet.subarray(TAP_HEADER_BYTES)
  if (frame.length < ETHERNET_BYTES) return undefined
  const other = { bytes: frame.length, from: undefined, to: undefined, payloadBytes: 0 }
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (view.getUint16(12) !== IPV4 || frame.length < ETHERNET_BYTES + 20) return other
  const ip = frame.subarray(ETHERNET_BYTES)
  const ipHeaderBytes = 4 * (ip[0]! & 15)
  let payloadBytes = 0
  if (ip[9] === TCP && ip.length >= ipHeaderBytes + 20) {
    payloadBytes = view.getUint16(ETHERNET_BYTES + 2) - ipHeaderBytes - 4 * (ip[ipHeaderBytes + 12]! >> 4)
  }
  return { bytes: frame.length, from: ip[15], to: ip[19], payloadBytes }
}
