# Keeps a command that holds: as long as lines come in, and not a moment longer.
# $1: seconds without a line after which it is let go. $2: seconds after which a command that does not let go is ended,
# 0 for never. The rest: the command; the end of its input tells it to let go.
silence=$1 patience=$2
shift 2
for place in /dev/shm "${TMPDIR:-/tmp}" /tmp; do
  pipe=$place/refloat.$$
  mkfifo -m 600 "$pipe" "$pipe.ready" 2>/dev/null && break
  pipe=
done
[ -n "$pipe" ] || { echo 'no place for a named pipe in this container (/dev/shm, /tmp)' >&2; exit 73; }
exec 4<>"$pipe" 5<"$pipe" 6<>"$pipe.ready"
rm -f "$pipe" "$pipe.ready"
"$@" <&5 4>&- 5<&- 6>&- &
command=$!
exec 5<&-
# A zombie has ended, too.
runs() {
  kill -0 "$command" 2>/dev/null || return 1
  while read -r key state rest; do
    [ "$key" != State: ] || { [ "$state" != Z ]; return; }
  done <"/proc/$command/status"
  return 1
}
let_go() {
  exec 4>&-
  ender=
  if [ "$patience" != 0 ]; then
    (exec </dev/null >/dev/null 2>&1 6>&-; sleep "$patience"; kill "$command"; sleep 1; kill -9 "$command") &
    ender=$!
  fi
  wait "$command"
  code=$?
  [ -z "$ender" ] || kill "$ender" 2>/dev/null
}
# No signal is sent to the watchdog itself: a shell may lose one that comes before its trap is set or just before it waits (dash 0.5.12),
# and would then wait to the end. What it waits for is ended instead; a shell of its own, without anybody's traps, says which that is.
watch() {
  (
    exec 4>&- </dev/null >/dev/null 2>&1
    # Whatever ends it without a word, no memory for another process too, must not leave its parent waiting.
    trap 'echo failed >&6' EXIT
    sh -c 'echo $$ >&6; exec sleep "$1" 6>&-' sleeper "$silence" &
    # Its own child is waited for: the first process of a container may never do so. 143: ended by SIGTERM.
    wait "$!"
    ended=$?
    trap - EXIT
    [ "$ended" = 143 ] || { echo failed >&6; kill -TERM $$; }
  ) &
  watchdog=$!
  read -r sleeper <&6
  case $sleeper in
    '' | failed) let_go; echo 'no watchdog could be started' >&2; exit 75 ;;
  esac
}
unwatch() {
  kill "$sleeper" 2>/dev/null
  wait "$watchdog" 2>/dev/null
}
trap '' PIPE
trap 'let_go; echo "let go: nothing was heard for $silence s" >&2; exit 72' TERM INT HUP
watch
while read -r word; do
  unwatch
  if ! runs; then
    wait "$command"
    echo "the command ended by itself with exit code $?" >&2
    exit 71
  fi
  if [ "$word" = release ]; then
    let_go
    [ "$code" = 0 ] || { echo "the command let go with exit code $code" >&2; exit 74; }
    echo 'refloat released'
    exit 0
  fi
  watch
  echo 'refloat beat'
done
unwatch
let_go
exit "$code"
