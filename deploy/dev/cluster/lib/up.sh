# Starts a cluster and says how to reach it.
# shellcheck shell=sh

up() {
    if [ -n "${KUBECONFIG-}" ] && [ "$KUBECONFIG" != "$state/kubeconfig" ]; then
        others_cluster
        return
    fi
    need_root
    build
    lock cluster
    begun=$(date +%s)
    wanted=$bin
    if is_running && [ -e "$dir/complete" ] && answers 30; then
        say "running already"
        [ "$bin" = "$wanted" ] || say "its parts are of other versions than these files ask for; \`down\` and \`up\` bring those"
    else
        # What a reboot, a kill or an interrupted `up` has left.
        [ ! -e "$dir" ] || { say "clearing what is left of a cluster that is not whole"; remove; }
        start
        say "up after $(($(date +%s) - begun)) s"
    fi
    echo "export KUBECONFIG=$state/kubeconfig"
}

# Tests are to run on the cluster that a person has chosen; it is not ours to change.
others_cluster() {
    find_parts
    kubectl=$(command -v kubectl || echo "$bin/kubectl")
    has "$kubectl" || fail "KUBECONFIG is set, but there is no kubectl with which to ask that cluster"
    quietly "$kubectl" --request-timeout 20s get nodes
    say "using the cluster of KUBECONFIG, \`$KUBECONFIG\`; nothing is started"
}

start() {
    trap 'say "not up; logs are in \`$dir/log\`, and \`deploy/dev/cluster/run down\` clears up" >&2; exit 130' INT TERM
    settings
    certificates
    configure
    start_node
    connect
    export KUBECONFIG="$state/kubeconfig"
    PATH=$bin:$PATH
    within 120 kubectl get --raw /readyz || late "the API server does not answer"
    kubectl apply -f "$dir/config/manifests.yaml" >"$dir/log/apply" 2>&1 || { cat "$dir/log/apply" >&2; fail "the first manifests are refused (above)"; }
    within 60 ctr -a "$dir/containerd.sock" version || late "containerd does not answer"
    for image in pause coredns; do quietly import "$(part "$image").tar"; done
    within 90 kubectl get node node || late "the node is not registered"
    # Known to whoever reads a node's addresses from it, as kube-router does.
    quietly kubectl patch node node -p "{\"spec\": {\"podCIDR\": \"$pods\", \"podCIDRs\": [\"$pods\"]}}"
    quietly kubectl wait --for=condition=Ready node/node --timeout=90s
    quietly kubectl -n kube-system rollout status deployment/coredns --timeout=90s
    within 30 in_node getent hosts kubernetes.default.svc.cluster.local || late "DNS does not answer"
    : >"$dir/complete"
}

# Where this cluster's addresses, interface and cgroups are: in the first of ten places that nothing else uses.
settings() {
    nth=200
    while taken "$nth"; do
        nth=$((nth + 1))
        [ "$nth" -lt 210 ] || fail "10.200.0.0/16 to 10.209.0.0/16 are all in use; is another cluster up that is not needed?"
    done
    mkdir -p "$dir/config" "$dir/pki" "$dir/log" "$dir/volumes"
    socket=$dir/containerd.sock
    [ "${#socket}" -le 100 ] || fail "\`$socket\` is too long for a socket; set EXEAT_CLUSTER_STATE to a shorter folder"
    cat >"$dir/settings" <<END
dir='$dir'
bin='$bin'
name=exeat-k$nth
network=10.$nth.0.0/16
pods=10.$nth.0.0/17
services=10.$nth.128.0/18
dns=10.$nth.128.10
link_host=10.$nth.255.1
link_node=10.$nth.255.2
PATH='$bin:$PATH'
export PATH
END
    . "$dir/settings"
}

# Whether there is a route into the network 10.N.0.0/16, or an interface or process of a cluster there.
taken() {
    [ -n "$(ip -4 route show root "10.$1.0.0/16"; ip -4 route show match "10.$1.0.0/16" | grep -v '^default')" ] ||
        ip link show "exeat-k$1" >/dev/null 2>&1
}

# ---- certificates ---------------------------------------------------------------------------------------------------

certificates() {
    pki=$dir/pki
    cp "$here/config/openssl.cnf" "$pki/"
    authority ca
    authority front-ca
    certificate kube-apiserver ca /CN=kube-apiserver "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:$link_node,IP:${services%.*}.1"
    certificate kubelet ca /O=system:nodes/CN=system:node:node "DNS:node,IP:$link_node"
    certificate kubelet-client ca /O=system:masters/CN=kube-apiserver-kubelet-client
    certificate front-proxy front-ca /CN=front-proxy
    certificate admin ca /O=system:masters/CN=admin
    certificate controller-manager ca /CN=system:kube-controller-manager
    certificate scheduler ca /CN=system:kube-scheduler
    certificate kube-proxy ca /CN=system:kube-proxy
    certificate kube-router ca /O=system:masters/CN=kube-router
    certificate local-path ca /O=system:masters/CN=local-path
    for user in admin kubelet controller-manager scheduler kube-proxy kube-router local-path; do
        kubeconfig "$user" >"$pki/$user.kubeconfig"
    done
    quietly openssl genrsa -out "$pki/accounts.key" 2048
    quietly openssl rsa -in "$pki/accounts.key" -pubout -out "$pki/accounts.pub"
    (umask 077 && cp "$pki/admin.kubeconfig" "$state/kubeconfig.new" && mv "$state/kubeconfig.new" "$state/kubeconfig")
}

authority() {
    quietly openssl req -x509 -config "$pki/openssl.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
        -subj "/CN=exeat-cluster-$1" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
        -keyout "$pki/$1.key" -out "$pki/$1.crt"
}

# certificate NAME AUTHORITY SUBJECT [NAMES], for servers and clients alike.
certificate() {
    quietly openssl req -x509 -config "$pki/openssl.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 \
        -CA "$pki/$2.crt" -CAkey "$pki/$2.key" -subj "$3" -addext basicConstraints=critical,CA:FALSE \
        -addext extendedKeyUsage=serverAuth,clientAuth -addext "subjectAltName=${4:-DNS:$1}" \
        -keyout "$pki/$1.key" -out "$pki/$1.crt"
}

kubeconfig() {
    cat <<END
apiVersion: v1
kind: Config
clusters:
  - name: $name
    cluster: {server: "https://$link_node:6443", certificate-authority-data: $(base64 -w0 "$pki/ca.crt")}
users:
  - name: $1
    user: {client-certificate-data: $(base64 -w0 "$pki/$1.crt"), client-key-data: $(base64 -w0 "$pki/$1.key")}
contexts:
  - name: $name
    context: {cluster: $name, user: $1}
current-context: $name
END
}

configure() {
    for template in "$here/config"/*; do
        sed "s|@DIR@|$dir|g; s|@NAME@|$name|g; s|@PODS@|$pods|g; s|@DNS@|$dns|g" "$template" >"$dir/config/$(basename "$template")"
    done
    mkdir -p "$dir/cni" && mv "$dir/config/cni.conflist" "$dir/cni/10-exeat.conflist"
}

# ---- processes ------------------------------------------------------------------------------------------------------

start_node() {
    cgroups
    for folder in /var/lib/kubelet /var/lib/cni; do
        [ -e "$folder" ] || { echo "$folder" >>"$dir/made"; mkdir -p "$folder"; }
    done
    setsid unshare --net --mount --pid --fork --kill-child "$here/node" "$dir/settings" >"$dir/log/node" 2>&1 </dev/null 9>&- &
    within 20 is_running || late "the node's first process does not start"
}

# The kubelet wants its topmost cgroup to be there, under each controller.
cgroups() {
    for hierarchy in $(hierarchies); do
        mkdir -p "$hierarchy/$name"
        [ ! -e "$hierarchy/cgroup.subtree_control" ] || for controller in cpuset cpu io memory pids; do
            echo "+$controller" >"$hierarchy/cgroup.subtree_control" 2>/dev/null || true
        done
    done
}

hierarchies() {
    if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
        echo /sys/fs/cgroup
    else
        sed -n 's/^[^ ]* \([^ ]*\) cgroup2\? .*/\1/p' /proc/mounts
    fi
}

# A cable between the machine and the cluster, and the way to pods and Services over it.
connect() {
    ip link add "$name" type veth peer name uplink netns "$pid"
    ip address add "$link_host/30" dev "$name"
    ip link set "$name" up
    ip route add "$network" via "$link_node" dev "$name"
}

# ---- what is known of a cluster that was started ------------------------------------------------------------------------

need_root() { [ "$(id -u)" = 0 ] || status=2 fail "a cluster needs root: namespaces of its own, mounts, cgroups"; }

need_running() {
    need_root
    is_running || fail "no cluster is up; start it: deploy/dev/cluster/run up"
}

# Whether the first process of the cluster lives. Its number alone could be another's by now.
is_running() {
    [ -e "$dir/settings" ] && same_boot || return 1
    . "$dir/settings"
    read -r pid since <"$dir/process"
    lives "$pid" "$since"
}

# Whether what is known of processes is of this boot of the machine.
same_boot() { [ "$(cat "$dir/boot" 2>/dev/null)" = "$(cat /proc/sys/kernel/random/boot_id)" ]; }

lives() { [ -n "$1" ] && [ -n "$2" ] && [ "$(started "$1")" = "$2" ]; }

# When a process started, in ticks since boot. Its name, before that in stat, may hold spaces and brackets.
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# Whether the API server answers and says that the node is ready.
answers() { "$bin/kubectl" --kubeconfig "$state/kubeconfig" wait --for=condition=Ready node/node "--timeout=${1}s" >/dev/null 2>&1; }

in_node() { nsenter --target "$pid" --mount --net --pid -- "$@"; }

environment() {
    need_running
    cat <<END
export KUBECONFIG='$state/kubeconfig'
export PATH='$bin':"\$PATH"
export CONTAINERD_ADDRESS='$dir/containerd.sock'
export CONTAINERD_NAMESPACE=k8s.io
export EXEAT_CLUSTER_NODE=$link_node
export EXEAT_CLUSTER_HOST=$link_host
export EXEAT_CLUSTER_PODS=$pods
export EXEAT_CLUSTER_SERVICES=$services
export EXEAT_CLUSTER_CRDS='$(dirname "$(part agent-sandbox-controller)")/crds'
END
}
