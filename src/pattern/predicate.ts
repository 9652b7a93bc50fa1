/**
 * A predicate derived from a valibot schema, about ten times as fast: it says yes or no, valibot finds the words.
 * Equality of the two is a property test. A schema that uses a part of valibot which is not known here fails
 * when the predicate is built, at start, never later.
 */
import type * as v from "valibot";
import { PatterndError } from "../errors.ts";
import { isObject } from "./schema.ts";

export type Predicate = (value: unknown) => boolean;

export function predicateOf(schema: v.GenericSchema): Predicate {
  return build(schema);
}

interface Node {
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

function build(node: Node): Predicate {
  if (node.pipe) return every(node.pipe.map(build));
  switch (node.type) {
    case "string":
      return (value) => typeof value === "string";
    case "boolean":
      return (value) => typeof value === "boolean";
    case "number":
      return (value) => typeof value === "number" && !Number.isNaN(value);
    case "unknown":
      return () => true;
    case "picklist": {
      const options = new Set(node.options);
      return (value) => options.has(value);
    }
    case "array": {
      const item = build(required(node.item));
      return (value) => Array.isArray(value) && value.every(item);
    }
    case "nullish": {
      const wrapped = build(required(node.wrapped));
      return (value) => value === undefined || value === null || wrapped(value);
    }
    case "loose_object":
      return entries(required(node.entries));
    case "custom":
      return required(node.check);
    default:
      return action(node);
  }
}

function action(node: Node): Predicate {
  const { requirement } = node;
  if (node.kind === "validation") {
    if (typeof requirement === "function") return (value) => requirement(value) === true;
    if (typeof requirement === "number" && node.type === "min_value") {
      return (value) => typeof value === "number" && value >= requirement;
    }
    if (typeof requirement === "number" && node.type === "max_value") {
      return (value) => typeof value === "number" && value <= requirement;
    }
  }
  throw new PatterndError("internal", `no predicate for valibot's ${node.kind} ${node.type}`);
}

function entries(nodes: Readonly<Record<string, Node>>): Predicate {
  const keys = Object.keys(nodes);
  const checks = Object.values(nodes).map(build);
  // What Object.prototype has is none of the pattern's; looking for own keys only where it matters is faster.
  const own = keys.map((key) => key in Object.prototype);
  return (value) => {
    if (!isObject(value)) return false;
    for (let i = 0; i < keys.length; i += 1) {
      const key = keys[i] ?? "";
      const part = own[i] && !Object.hasOwn(value, key) ? undefined : value[key];
      if (!checks[i]?.(part)) return false;
    }
    return true;
  };
}

function every([first, second, ...others]: readonly Predicate[]): Predicate {
  if (!first) return () => true;
  if (!second) return first;
  const rest = every([second, ...others]);
  return (value) => first(value) && rest(value);
}

function required<T>(part: T | undefined): T {
  if (part === undefined) throw new PatterndError("internal", "a valibot schema lacks its parts");
  return part;
}
