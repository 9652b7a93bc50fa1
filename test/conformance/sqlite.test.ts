import { openSqlite } from "../../src/store/sqlite/backend.ts";
import { conformance } from "./backend.ts";

conformance("sqlite", (options) => openSqlite(options));
