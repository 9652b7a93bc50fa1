/**
 * A predicate compiled from a valibot schema, ten times as fast as valibot itself: it says yes or no, valibot finds
 * the words. That the two agree is a property test. A schema that uses a part of valibot which is not known here
 * fails when the predicate is compiled, at start, never later.
 *
 * Compiled means: JavaScript source, as JSON Schema validators do it. Field names stand in it as JSON strings, and
 * everything else that a schema holds (functions, lists of options) is passed in, never written out.
 */
import { PatterndError } from "../errors.ts";

export type Predicate = (value: unknown) => boolean;

/** `schema`: one of valibot's. */
export function predicateOf(schema: Node): Predicate {
  const source = new Source();
  const root = source.functionFor(schema);
  const compiled: unknown = new Function(
    "captured",
    `"use strict";\n${source.functions.join("\n")}\nreturn ${root};`,
  )(source.captured);
  if (!isPredicate(compiled)) throw new PatterndError("internal", "a schema did not compile to a predicate");
  return compiled;
}

/** What of valibot's schemas is looked at. */
export interface Node {
  readonly kind: string;
  readonly type: string;
  readonly pipe?: readonly Node[];
  readonly wrapped?: Node;
  readonly item?: Node;
  readonly entries?: Readonly<Record<string, Node>>;
  readonly options?: readonly unknown[];
  readonly requirement?: unknown;
  readonly check?: (value: unknown) => boolean;
}

class Source {
  readonly functions: string[] = [];
  readonly captured: unknown[] = [];

  /** The name of a function of one argument that says whether it fits. */
  functionFor(node: Node): string {
    const body =
      node.type === "loose_object" && !node.pipe
        ? this.#statements(required(node.entries))
        : `return ${this.#expression(node, "value")};`;
    const name = `fits${this.functions.length}`;
    this.functions.push(`function ${name}(value) { ${body} }`);
    return name;
  }

  /** An expression over the variable `name`. */
  #expression(node: Node, name: string): string {
    if (node.pipe) return node.pipe.map((part) => this.#expression(part, name)).join(" && ");
    switch (node.type) {
      case "string":
      case "boolean":
        return `typeof ${name} === "${node.type}"`;
      case "number":
        return `typeof ${name} === "number" && ${name} === ${name}`;
      case "unknown":
        return "true";
      case "picklist":
        return `${this.#capture(required(node.options))}.includes(${name})`;
      case "array":
        return `Array.isArray(${name}) && ${name}.every((item) => ${this.functionFor(required(node.item))}(item))`;
      case "nullish":
        return `(${name} === undefined || ${name} === null || ${this.#expression(required(node.wrapped), name)})`;
      case "loose_object":
        return `${this.functionFor(node)}(${name})`;
      case "custom":
        return `${this.#capture(required(node.check))}(${name})`;
      default:
        return this.#validation(node, name);
    }
  }

  #validation(node: Node, name: string): string {
    if (node.kind === "validation") {
      if (typeof node.requirement === "function")
        return `${this.#capture(node.requirement)}(${name}) === true`;
      if (node.type === "min_value") return `${name} >= ${this.#capture(node.requirement)}`;
      if (node.type === "max_value") return `${name} <= ${this.#capture(node.requirement)}`;
    }
    throw new PatterndError("internal", `no predicate for valibot's ${node.kind} ${node.type}`);
  }

  #statements(entries: Readonly<Record<string, Node>>): string {
    const statements = Object.entries(entries).map(([key, node], index) => {
      const field = `value[${JSON.stringify(key)}]`;
      // What Object.prototype has is none of the pattern's.
      const own =
        key in Object.prototype
          ? `Object.hasOwn(value, ${JSON.stringify(key)}) ? ${field} : undefined`
          : field;
      return `const part${index} = ${own}; if (!(${this.#expression(node, `part${index}`)})) return false;`;
    });
    return `if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
      ${statements.join("\n")}
      return true;`;
  }

  #capture(value: unknown): string {
    return `captured[${this.captured.push(value) - 1}]`;
  }
}

function isPredicate(value: unknown): value is Predicate {
  return typeof value === "function";
}

export function required<T>(part: T | undefined): T {
  if (part === undefined) throw new PatterndError("internal", "a valibot schema lacks its parts");
  return part;
}
