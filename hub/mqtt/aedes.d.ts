import type { Client, PublishPacket } from 'aedes';

declare module 'aedes' {
  interface Aedes {
    /** Called by aedes' own handlers, with the client that sent the packet. Its types leave that out. */
    publish(packet: PublishPacket, sender: Client | null, done: (error?: Error) => void): void;
  }
}
