# Restores a dump into a throw-away PostgreSQL and asks it questions. Runs in a container of an image with PostgreSQL and
# PostGIS, or on a machine that has both; needs bash, and nothing else that such an image lacks.
#
#   WORK      an empty folder that it may write to; the dump comes there as `dump`, once it is whole
#   LABEL     what the dump is of: for `pgstac` the catalogue is looked at, for anything else the tables are counted
#   PATIENCE  so many seconds the dump may take without growing
#   PG_BIN    where the programs of PostgreSQL are; default: found
#   LINGER    so many seconds it stays where the dump does not restore
#   TETHER    set where standard input tells whether anybody still waits: its end ends all
#
# Lines that begin with @ are for dashictl: @received, @restored, @collection, @table, @database with JSON behind it, and
# @failed REASON MESSAGE. All others are for people. Exit code 3 where the dump does not restore.
#
# THE RECIPE, for an emergency. A dump of pgstac does not restore with pg_restore alone: it sets an empty search_path, and
# the functions of pgstac call PostGIS and each other by bare names. Into an empty database of a server with PostGIS:
#
#   pg_restore -f - --no-owner --no-acl DUMP |
#     sed "1,/^COPY /s/set_config('search_path', '', false)/set_config('search_path', 'pgstac, public', false)/" |
#     psql -X -v ON_ERROR_STOP=1 -d DATABASE
set -u -o pipefail
export LC_ALL=C.UTF-8

say() { printf '%s\n' "$*"; }

# Of a server that is gone nothing is learned, whatever its absence made fail.
fail() {
  [[ -z ${server:-} ]] || kill -0 "$server" 2>/dev/null || set -- no_server "PostgreSQL is gone: $2"
  printf '@failed %s %s\n' "$1" "$2"
  [[ -z ${LINGER:-} ]] || linger
  exit 3
}

# Stays for whoever wants to look inside.
linger() {
  say "staying for $LINGER s, with what came of it in $WORK"
  sleep "$LINGER" &
  wait $!
}

end() {
  trap - EXIT
  [[ -z ${server:-} ]] || { kill -QUIT "$server" && wait "$server"; } 2>/dev/null
  [[ -z ${TETHER:-} ]] || rm -rf "$WORK"
  [[ -z ${watch:-} ]] || kill "$watch" 2>/dev/null
}
trap end EXIT
trap 'exit 143' TERM INT HUP

# ---- the programs ----------------------------------------------------------------------------------------------------

# The newest PostgreSQL here that has PostGIS, where Debian keeps several; else whatever is on the path.
programs() {
  local bin version
  for bin in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
    version=${bin%/bin}
    version=${version##*/}
    [[ -x $bin/initdb && -e /usr/share/postgresql/$version/extension/postgis.control ]] && echo "$bin" && return
  done
  bin=$(command -v initdb) && dirname "$(readlink -f "$bin")"
}

PG_BIN=${PG_BIN:-$(programs)} || fail no_postgres "there is no initdb here: this needs PostgreSQL with PostGIS"
[[ -x $PG_BIN/initdb && -x $PG_BIN/pg_restore && -x $PG_BIN/psql ]] ||
  fail no_postgres "$PG_BIN has not all of initdb, postgres, pg_restore and psql"

# PostgreSQL refuses to be run by root.
as=()
if ((EUID == 0)); then
  user=postgres
  id "$user" >/dev/null 2>&1 || user=nobody
  as=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups --)
  chown "$user" "$WORK" && cd / || fail no_room "$WORK cannot be given to $user"
fi

run() { "${as[@]}" "$PG_BIN/$1" "${@:2}"; }
ask() { run psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$WORK" -U postgres -d restored "$@"; }
milliseconds() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# ---- a throw-away server ---------------------------------------------------------------------------------------------

start_server() {
  run initdb -D "$WORK/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$WORK/log" 2>&1 ||
    fail no_server "initdb failed: $(tail -n 1 "$WORK/log")"
  # What is thrown away needs no care; nobody reaches it but through a socket in a folder of its own.
  "${as[@]}" "$PG_BIN/postgres" -D "$WORK/data" -k "$WORK" -c listen_addresses= -c fsync=off -c synchronous_commit=off \
    -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0 -c max_wal_size=4GB -c autovacuum=off \
    -c max_parallel_workers_per_gather=0 -c max_parallel_maintenance_workers=0 \
    -c log_min_messages=fatal >>"$WORK/log" 2>&1 &
  server=$!
  local tries=600
  until run psql -X -q -h "$WORK" -U postgres -d postgres -c 'CREATE DATABASE restored' >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || fail no_server "it did not start: $(tail -n 1 "$WORK/log")"
    ((tries-- > 0)) || fail no_server "PostgreSQL did not answer within 60 s"
    sleep 0.1
  done
  postgis=$(ask -c "SELECT default_version FROM pg_available_extensions WHERE name = 'postgis'")
  version=$(ask -c 'SHOW server_version')
  [[ -n $postgis ]] || fail no_postgis "PostgreSQL $version here has no PostGIS"
  say "PostgreSQL $version with PostGIS $postgis is up"
}

# ---- the dump --------------------------------------------------------------------------------------------------------

size_of() { { wc -c <"$1"; } 2>/dev/null || echo 0; }

await_dump() {
  local size=-1 now idle=0
  until [[ -e $WORK/dump ]]; do
    now=$(size_of "$WORK/dump.part")
    [[ ! -e $WORK/broken ]] || fail not_received "the dump broke off after $now bytes"
    if ((now == size)); then idle=$((idle + 1)); else idle=0; fi
    size=$now
    ((idle < PATIENCE * 2)) || fail not_received "nothing more came of the dump for $PATIENCE s, after $size bytes"
    sleep 0.5
  done
  printf '@received {"bytes": %d, "sha256": "%s", "md5": "%s"}\n' "$(size_of "$WORK/dump")" \
    "$(sha256sum <"$WORK/dump" | cut -d' ' -f1)" "$(md5sum <"$WORK/dump" | cut -d' ' -f1)"
}

# bytes FROM COUNT: some bytes of the dump in hexadecimal.
bytes() { tail -c "+$(($1 + 1))" "$WORK/dump" | head -c "$2" | od -An -tx1 | tr -d ' \n'; }

unpack() {
  [[ $(bytes 0 2) == 1f8b ]] || return 0
  gzip -dc <"$WORK/dump" >"$WORK/unpacked" 2>"$WORK/archive.err" || judge "$?" 0 0
  mv "$WORK/unpacked" "$WORK/dump"
}

# What pg_dump makes: `archive` (custom or tar) or `sql`.
kind() {
  case $(bytes 0 5) in
    5047444d50) echo archive ;;
    2d2d*) echo sql ;;
    *) [[ $(bytes 257 5) != 7573746172 ]] || echo archive ;;
  esac
}

as_sql() {
  if [[ $kind == archive ]]; then run pg_restore -f - --no-owner --no-acl <"$WORK/dump"; else cat "$WORK/dump"; fi
}

# SQL names the roles that own what is in it, and they are not in it.
make_roles() {
  [[ $kind == sql ]] || return 0
  local role
  grep -aE '^(ALTER|GRANT|REVOKE) .*;$' "$WORK/dump" | sed -nE 's/.* (OWNER TO|TO|FROM) "?([^";]+)"?( WITH GRANT OPTION)?;$/\2/p' | sort -u |
    while IFS= read -r role; do
      printf '%s\n' 'CREATE ROLE :"role"' | ask -v role="$role" -f - >/dev/null 2>&1
    done
}

restore() {
  unpack
  kind=$(kind)
  [[ -n $kind ]] || fail no_archive "its first bytes are those of nothing that pg_dump makes: a custom or tar archive, SQL, or one of them in gzip"
  make_roles
  say "restoring $(size_of "$WORK/dump") bytes"
  local begun states
  begun=$(milliseconds)
  as_sql 2>"$WORK/archive.err" |
    LC_ALL=C sed "1,/^COPY /s/set_config('search_path', '', false)/set_config('search_path', 'pgstac, public', false)/" |
    ask -f - >/dev/null 2>"$WORK/sql.err"
  states=("${PIPESTATUS[@]}")
  judge "${states[@]}"
  # Half a text is a text.
  [[ $kind == archive ]] || tail -c 300 "$WORK/dump" | grep -aq 'PostgreSQL database dump complete' ||
    fail truncated "it has no last line that says that the dump is complete"
  printf '@restored {"milliseconds": %d}\n' $(($(milliseconds) - begun))
}

# What keeps the archive from being read comes before what SQL makes of half an archive. Whoever reads no more makes the
# archive's program fail as well (141). What was killed, or lost its server, tells nothing about the dump.
judge() {
  local archive sql status
  for status in "$@"; do
    ((status <= 128 || status == 141)) || { say "stopped: a program of the restore was ended by signal $((status - 128))" && exit 143; }
  done
  archive=$(grep -v -i 'broken pipe\|could not write' "$WORK/archive.err" | grep -m 1 -i 'error\|gzip:\|corrupt\|unexpected' | cut -c1-500)
  if (($1 != 0)) && [[ -n $archive ]]; then
    case $archive in
      *'unsupported version'*) fail too_new "$archive" ;;
      *'end of file'* | *'too short'*) fail truncated "$archive" ;;
      *) fail damaged "$archive" ;;
    esac
  fi
  sql=$(grep -m 1 -A 2 'ERROR:\|FATAL:\|error:' "$WORK/sql.err" | tr '\n\t' '  ' | cut -c1-500)
  (($3 != 2)) || fail no_server "the connection to PostgreSQL was lost: ${sql:-psql ended with 2}"
  (($3 == 0)) || fail restore_error "${sql:-psql ended with $3}"
  (($1 == 0)) || fail damaged "the archive's program ended with $1"
}

# ---- questions -------------------------------------------------------------------------------------------------------

user_tables="SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema')
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')"

look() {
  local tables
  tables=$(ask -c "SELECT count(*) FROM ($user_tables) t") || fail no_answer "the restored database does not answer"
  ((tables > 0)) || fail empty "it restores to a database without a table"
  if [[ $LABEL == pgstac ]]; then look_at_pgstac; else look_at_tables; fi || exit
  ask -c "SELECT '@database ' || json_build_object('server', current_setting('server_version'),
    'postgis', (SELECT extversion FROM pg_extension WHERE extname = 'postgis'),
    'bytes', pg_database_size(current_database()), 'tables', $tables)"
}

holds() {
  local known
  known=$(ask -c "SELECT to_regclass('$1')" 2>"$WORK/ask.err") || fail no_server "PostgreSQL does not answer: $(head -n 1 "$WORK/ask.err")"
  [[ -n $known ]]
}

look_at_tables() {
  ! holds pgstac.items || fail wrong_content "it is a dump of pgstac"
  [[ $LABEL != prefect ]] || holds public.flow_run || fail wrong_content "it holds no flow runs of Prefect"
  ask -c "SELECT '@table ' || json_build_object('name', t.nspname || '.' || t.relname, 'rows',
    (xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %I.%I', t.nspname, t.relname), false, true, '')))[1]::text::bigint)
    FROM ($user_tables) t ORDER BY 1" || fail no_answer "the tables cannot be counted"
}

look_at_pgstac() {
  holds pgstac.items ||
    fail wrong_content "it holds no pgstac, but $(ask -c "SELECT string_agg(DISTINCT nspname || '.' || relname, ', ') FROM (SELECT * FROM ($user_tables) t ORDER BY 2, 3 LIMIT 3) t")"
  local path='SET search_path TO pgstac, public'
  ask -c "$path" -c "SELECT '@pgstac ' || json_build_object('version', pgstac.get_version())" 2>"$WORK/ask.err" ||
    fail no_answer "pgstac does not answer: $(head -n 1 "$WORK/ask.err")"
  # The search is the one that stac-fastapi asks for.
  ask -c "$path" -c "SELECT '@collection ' || json_build_object('id', c.id, 'items', coalesce(n.items, 0), 'item', s.item,
      'geometry', CASE WHEN s.item IS NULL THEN NULL WHEN s.item -> 'geometry' = 'null' THEN 'Valid Geometry'
        ELSE ST_IsValidReason(ST_GeomFromGeoJSON(s.item ->> 'geometry')) END)
    FROM pgstac.collections c
    LEFT JOIN (SELECT collection, count(*) AS items FROM pgstac.items GROUP BY 1) n ON n.collection = c.id
    LEFT JOIN LATERAL (SELECT pgstac.search(jsonb_build_object('collections', jsonb_build_array(c.id), 'limit', 1)) -> 'features' -> 0 AS item) s ON true
    ORDER BY c.id" 2>"$WORK/ask.err" || fail no_answer "pgstac.search does not answer: $(head -n 1 "$WORK/ask.err")"
}

# ---- the whole -------------------------------------------------------------------------------------------------------

if [[ -n ${TETHER:-} ]]; then
  # Whatever it is at, and all that it has begun: it is the first of a process group.
  { cat >/dev/null; kill -TERM -- -$$; } <&0 2>/dev/null &
  watch=$!
  exec </dev/null
fi
start_server
await_dump
restore
begun=$(milliseconds)
look
printf '@asked {"milliseconds": %d}\n' $(($(milliseconds) - begun))
say "restored and looked at"
