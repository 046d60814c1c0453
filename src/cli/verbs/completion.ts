/** `completion`: a script that lets a shell complete verbs, flags, and the names of services, methods and jobs. */
import { UsageError } from '../exit-codes.ts'
import type { Verb } from '../verb.ts'

/** Each asks `threadplane complete` for the words that fit. */
const SCRIPTS: Record<string, string> = {
  bash: `# in ~/.bashrc: source <(threadplane completion bash)
_threadplane() {
  local IFS=$'\\n'
  COMPREPLY=($(threadplane complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _threadplane threadplane
`,
  zsh: `#compdef threadplane
# in ~/.zshrc, after compinit: source <(threadplane completion zsh)
_threadplane() {
  local -a found
  found=("\${(@f)$(threadplane complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  [[ -n "$found[1]" ]] && compadd -- $found || _files
}
compdef _threadplane threadplane
`,
  fish: `# in ~/.config/fish/completions/threadplane.fish
complete -c threadplane -f -a '(threadplane complete -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
`,
}

export const verbs: Verb[] = [
  {
    usage: 'completion <shell>',
    summary: `print the completion script of a shell: ${Object.keys(SCRIPTS).join(', ')}`,
    group: 'This program',
    examples: ['threadplane completion bash', 'threadplane completion zsh', 'threadplane completion fish'],
    run: async ({ print }, [shell = '']) => {
      const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined
      if (script === undefined) {
        throw new UsageError(
          `there is no completion for ${JSON.stringify(shell)}: use ${Object.keys(SCRIPTS).join(', ')}`,
        )
      }
      await print.write(script)
    },
  },
]
