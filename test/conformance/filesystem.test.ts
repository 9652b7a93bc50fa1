import { openFilesystem } from "../../src/store/filesystem/backend.ts";
import { conformance } from "./backend.ts";

conformance("filesystem", (options) => openFilesystem(options));
