/** `patternd completion SHELL`: what a shell needs to complete commands and flags, made from the commands themselves. */
import type { Command } from "commander";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

interface Words {
  /** `query`, `rejected list`. */
  readonly path: string;
  readonly description: string;
  readonly commands: readonly Command[];
  readonly flags: readonly Flag[];
}

interface Flag {
  readonly names: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

export function completionOf(program: Command, shell: Shell): string {
  const all = wordsOf(program, "");
  switch (shell) {
    case "bash":
      return bash(all);
    case "zsh":
      return `#compdef patternd\nautoload -U +X bashcompinit && bashcompinit\n${bash(all)}`;
    case "fish":
      return fish(all);
  }
}

function wordsOf(command: Command, path: string): Words[] {
  const flags = command.options.map((option) => ({
    names: [option.short, option.long].filter((name) => name != null),
    description: option.description,
    takesValue: option.required || option.optional,
    choices: option.argChoices ?? [],
  }));
  const help: Flag = { names: ["-h", "--help"], description: "help", takesValue: false, choices: [] };
  const own = {
    path,
    description: command.description(),
    commands: command.commands,
    flags: [...flags, help],
  };
  return [own, ...command.commands.flatMap((sub) => wordsOf(sub, `${path} ${sub.name()}`.trim()))];
}

function bash(all: readonly Words[]): string {
  const cases = all.map(({ path, commands, flags }) => {
    const words = [...commands.map((sub) => sub.name()), ...flags.flatMap(({ names }) => names)];
    return `    ${quoted(path)}) words=${quoted(words.join(" "))} ;;`;
  });
  const paths = all.map(({ path }) => path).filter((path) => path !== "");
  const values = new Map(all.flatMap(({ flags }) => flags).flatMap((flag) => valuesOf(flag)));
  const choices = [...values].map(([name, words]) => `    ${name}) words=${quoted(words)} ;;`);
  return `_patternd() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path= word words=
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
    ${paths.map(quoted).join("|")}) path="\${path:+$path }$word" ;;
    esac
  done
  case $previous in
${choices.join("\n")}
    *) case $path in
${cases.join("\n")}
    esac ;;
  esac
  case $current in
    -*|"") COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$current") $(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _patternd patternd
`;
}

function valuesOf({ names, choices, takesValue }: Flag): [string, string][] {
  return takesValue && choices.length > 0 ? names.map((name) => [name, choices.join(" ")]) : [];
}

function fish(all: readonly Words[]): string {
  const lines = all.flatMap(({ path, commands, flags }) => {
    const names = commands.map((sub) => sub.name()).join(" ");
    const steps = path === "" ? [] : path.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`);
    const none = names === "" ? [] : [`not __fish_seen_subcommand_from ${names}`];
    const here = quoted([...steps, ...none].join("; and "));
    return [
      ...commands.map(
        (sub) => `complete -c patternd -f -n ${here} -a ${sub.name()} -d ${quoted(sub.description())}`,
      ),
      ...flags.map((flag) => `complete -c patternd -n ${here} ${fishFlag(flag)}`),
    ];
  });
  return `${lines.join("\n")}\n`;
}

function fishFlag({ names, description, takesValue, choices }: Flag): string {
  const spelled = names.map((name) =>
    name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
  );
  const values = choices.length > 0 ? ` -x -a ${quoted(choices.join(" "))}` : takesValue ? " -r" : "";
  return `${spelled.join(" ")}${values} -d ${quoted(description)}`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
