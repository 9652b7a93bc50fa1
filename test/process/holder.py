"""Holds listening Unix sockets, as a service manager does, and starts a program with them each time it is told to.

holder.py BACKLOG name=path ... -- program argument ...
On standard input: a line "start" starts it once the one before has ended; end of file ends all of it."""
import json, os, signal, socket, sys

backlog = int(sys.argv[1])
middle = sys.argv.index("--")
named = [argument.split("=", 1) for argument in sys.argv[2:middle]]
program = sys.argv[middle + 1:]
held = []
for fd, (name, path) in enumerate(named, start=3):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    held.append(socket.socket(socket.AF_UNIX))
    held[-1].bind(path)
    held[-1].listen(backlog)
    if held[-1].fileno() != fd:
        sys.exit("expected descriptor %d" % fd)
    os.set_inheritable(fd, True)


def say(**line):
    line.update(time="2026-01-01T00:00:00.000Z", level="info")
    print(json.dumps(line), flush=True)


say(event="holder.ready")
for order in sys.stdin:
    child = os.fork()
    if child == 0:
        os.environ.update(
            LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(named)), LISTEN_FDNAMES=":".join(name for name, _ in named)
        )
        os.execvp(program[0], program)
    say(event="holder.started", pid=child)
    _, status = os.waitpid(child, 0)
    say(event="holder.ended", status=os.waitstatus_to_exitcode(status))
