# What may run beside a cluster: kwok, for nodes without kubelets, and the controller of Agent Sandbox, to compare with.
# They run in the cluster's network, so that their ports are not the machine's.
# shellcheck shell=sh

kwok() {
    export KUBECONFIG="$state/kubeconfig"
    PATH=$bin:$PATH
    case $1 in
        up)
            count=${2:?how many nodes}
            start_beside kwok kwok --kubeconfig "$KUBECONFIG" --config "$(dirname "$(part kwok)")/stages.yaml" \
                --manage-nodes-with-label-selector type=kwok --node-lease-duration-seconds 40 \
                --node-ip "$link_node" --server-address "$link_node:10247"
            kwok_nodes "$count" | ask_each
            within 120 kwok_ready "$count" || late "the nodes of kwok are not ready"
            say "$count nodes of kwok are ready"
            ;;
        down)
            # Their pods first: without kwok nothing says that they have ended.
            kubectl get nodes -l type=kwok -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}' >"$dir/kwok.nodes"
            kubectl get pods -A -o 'jsonpath={range .items[*]}{.spec.nodeName} {.metadata.namespace} {.metadata.name}{"\n"}{end}' |
                awk 'NR == FNR { fake[$1]; next } $1 in fake { print $2, $3 }' "$dir/kwok.nodes" - >"$dir/kwok.pods"
            while read -r namespace pod; do
                request DELETE "namespaces/$namespace/pods/$pod?gracePeriodSeconds=0"
            done <"$dir/kwok.pods" | ask_each
            while read -r node; do request DELETE "nodes/$node"; done <"$dir/kwok.nodes" | ask_each
            end_beside kwok
            say "kwok has ended"
            ;;
    esac
}

# Not by `kubectl wait`, which asks for each node.
kwok_ready() { [ "$(kubectl get nodes -l type=kwok --no-headers | grep -c ' Ready ')" -ge "$1" ]; }

kwok_nodes() {
    nth=0
    while [ "$nth" -lt "$1" ]; do
        request POST nodes "{'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': 'kwok-$nth',
            'labels': {'type': 'kwok', 'kubernetes.io/hostname': 'kwok-$nth', 'kubernetes.io/os': 'linux'},
            'annotations': {'kwok.x-k8s.io/node': 'fake', 'node.alpha.kubernetes.io/ttl': '0'}},
            'spec': {'taints': [{'key': 'kwok.x-k8s.io/node', 'value': 'fake', 'effect': 'NoSchedule'}]}}"
        nth=$((nth + 1))
    done
}

# Requests for ask_each: request METHOD PATH [BODY], with ' for ". kubectl sends no more than five in a second.
request() {
    cat <<END
next
no-progress-meter
cert = "$dir/pki/admin.crt"
key = "$dir/pki/admin.key"
cacert = "$dir/pki/ca.crt"
noproxy = "*"
request = $1
header = "content-type: application/json"
url = "https://$link_node:6443/api/v1/$2"
END
    [ -z "${3-}" ] || echo "data = \"$(echo "$3" | tr -d '\n' | sed "s/'/\\\\\"/g")\""
}

ask_each() {
    cat >"$dir/requests"
    [ -s "$dir/requests" ] || return 0
    curl --config "$dir/requests" >"$dir/log/requests" 2>&1 || fail "the API server does not answer; see \`$dir/log/requests\`"
}

peer() {
    export KUBECONFIG="$state/kubeconfig"
    PATH=$bin:$PATH
    crds=$(dirname "$(part agent-sandbox-controller)")/crds
    case $1 in
        up)
            quietly kubectl apply --server-side --force-conflicts -f "$crds"
            quietly kubectl wait --for=condition=Established --timeout=60s -f "$crds"
            # As the administrator, or as who is named: what it may do and who it is matters only to some.
            (umask 077 && sed "s|^\( *user: {\)\(client-certificate\)|\1${2:+as: \"$2\", }\2|" "$KUBECONFIG" >"$dir/peer.kubeconfig")
            start_beside peer agent-sandbox-controller --extensions --leader-elect=false --enable-webhook=false \
                --kubeconfig "$dir/peer.kubeconfig"
            within 30 in_node curl -sf http://127.0.0.1:8081/readyz || late "the peer is not ready"
            say "agent-sandbox-controller is up"
            ;;
        down)
            end_beside peer
            [ "${2-}" != --crds ] || quietly kubectl delete --ignore-not-found -f "$crds"
            say "agent-sandbox-controller has ended"
            ;;
    esac
}

# Starts a program in the cluster's network, unless it runs: start_beside NAME COMMAND…
start_beside() {
    recorded=$dir/beside/$1
    if [ -e "$recorded" ] && read -r process since <"$recorded" && lives "$process" "$since"; then return 0; fi
    mkdir -p "$dir/beside"
    log=$dir/log/$1
    shift
    # Each of the three becomes the next, so that the number stays the same.
    setsid nsenter --target "$pid" --net -- "$@" >>"$log" 2>&1 </dev/null 9>&- &
    process=$!
    echo "$process $(started "$process")" >"$recorded"
    sleep 1
    lives $(cat "$recorded") || fail "\`$1\` has ended at once; see \`$log\`"
}

end_beside() {
    recorded=$dir/beside/$1
    if [ -e "$recorded" ] && read -r process since <"$recorded" && same_boot && lives "$process" "$since"; then
        kill -9 "$process"
        within 10 ended "$process" "$since" || fail "\`$1\` does not end"
    fi
    rm -f "$recorded"
}

ended() { ! lives "$@"; }
