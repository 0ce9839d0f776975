/**
 * A name of a table or column in SQL. Names come from the registry and the database, never from a request; quoted because
 * `change` and `order` are words.
 */
export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;
