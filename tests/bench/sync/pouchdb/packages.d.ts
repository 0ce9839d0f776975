// What the bench uses of packages that come without types.

declare module 'pouchdb-node' {
  interface Database {
    bulkDocs(documents: readonly object[]): Promise<unknown>;
    readonly replicate: {
      to(target: string, options: { batch_size: number }): Promise<{ docs_written: number }>;
    };
  }
  export interface DatabaseClass {
    new (name: string): Database;
    defaults(options: { prefix: string }): DatabaseClass;
  }
  const PouchDB: DatabaseClass;
  export default PouchDB;
}

declare module 'express-pouchdb' {
  import type { RequestListener } from 'node:http';
  import type { DatabaseClass } from 'pouchdb-node';
  export default function expressPouchdb(
    database: DatabaseClass,
    options: { mode: 'minimumForPouchDB'; inMemoryConfig: true; logPath: string },
  ): RequestListener;
}

declare module 'express' {
  import type { RequestListener } from 'node:http';

  interface Application extends RequestListener {
    use(listener: RequestListener): void;
  }
  export default function express(): Application;
}
