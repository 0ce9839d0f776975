// The package ships types, but its `exports` hide them; its interface is better-sqlite3's own.
declare module 'better-sqlite3-multiple-ciphers' {
  import type Sqlite from 'better-sqlite3';

  const Database: typeof Sqlite;
  namespace Database {
    type Database = Sqlite.Database;
    type Statement<Parameters extends unknown[] | object = unknown[], Row = unknown> = Sqlite.Statement<
      Parameters,
      Row
    >;
    type SqliteError = InstanceType<typeof Sqlite.SqliteError>;
  }
  export default Database;
}
