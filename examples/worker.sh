#!/bin/bash
# A shared worker: worker.sh SOCKET SESSION. Start as many as you like. It needs socat and jq.
trap '' PIPE; coproc socat - "UNIX-CONNECT:$1"; exec <&"${COPROC[0]}" >&"${COPROC[1]}" # both: the channel
printf '%s\r\n' "GET /v1/sessions/$(jq -rn --arg id "$2" '$id|@uri')/attach?worker=sh&shared=true HTTP/1.1" \
  'Host: sessiond' 'Connection: Upgrade' 'Upgrade: sessiond-channel/1' '' '{"type":"claim","seq":1,"count":1}'
while read -r line; do case $(jq -Rr 'fromjson? | "\(.type) \(.code // (.files | length))"' <<<"$line") in
  'claimed 0') echo '{"type": "detach"}' ;; 'closing detached') exit ;; closing* | error*) break ;;
  claimed*) output=$(wc -l -- "$(jq -r '.files[0]' <<<"$line")" 2>&1 </dev/null)
    jq -c --arg output "$output" --argjson exit_code $? <<<"$line" '
      {type: "progress", seq: (.seq + 1), processed: .files, results: {(.files[0]): {$exit_code, $output}}},
      {type: "claim", seq: (.seq + 2), count: 1}' ;; esac; done # the last line tells why it ended
jq -Rr '(fromjson? | .detail) // "the connection was lost"' <<<"$line" >&2; exit 1
