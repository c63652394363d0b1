# Builds the parts of a cluster from their Go modules, whose versions modules/*/go.mod and go.sum fix, and installs the
# Debian packages that they use. A part goes to a folder of the cache that is named by all that decides what it is;
# every clone uses it from there, and $bin, which has a link to each.
# shellcheck shell=sh

RECIPE=1 # to be raised where a part would come out different by a change of this file
GO_LEAST=26
KUBERNETES=1.34.4
RUNSC=release-20260905.0

# Name, module, package.
parts() {
    kubernetes=k8s.io/kubernetes/cmd
    containerd=github.com/containerd/containerd/v2/cmd
    cat <<END
etcd                        etcd         go.etcd.io/etcd/server/v3
kube-apiserver              kubernetes   $kubernetes/kube-apiserver
kube-controller-manager     kubernetes   $kubernetes/kube-controller-manager
kube-scheduler              kubernetes   $kubernetes/kube-scheduler
kubelet                     kubernetes   $kubernetes/kubelet
kube-proxy                  kubernetes   $kubernetes/kube-proxy
kubectl                     kubernetes   $kubernetes/kubectl
containerd                  containerd   $containerd/containerd
ctr                         containerd   $containerd/ctr
containerd-shim-runc-v2     containerd   $containerd/containerd-shim-runc-v2
runsc                       gvisor       gvisor.dev/gvisor/runsc
containerd-shim-runsc-v1    gvisor       gvisor.dev/gvisor/shim
kube-router                 kube-router  github.com/cloudnativelabs/kube-router/v2/cmd/kube-router
coredns                     coredns      github.com/coredns/coredns
local-path-provisioner      local-path   github.com/rancher/local-path-provisioner
pause                       pause        exeat.dev/cluster/pause
kwok                        kwok         sigs.k8s.io/kwok/cmd/kwok
helm                        helm         helm.sh/helm/v3/cmd/helm
agent-sandbox-controller    peer         sigs.k8s.io/agent-sandbox/cmd/agent-sandbox-controller
END
}

build() {
    need_packages
    find_parts
    lock build
    total=$(parts | wc -l)
    nth=0
    # Not by a pipe, so that `fail` ends the script.
    parts >"$cache/parts.$$"
    while read -r name module package; do
        nth=$((nth + 1))
        [ -e "$cache/$module-$(key "$module")/$name" ] || build_part
    done <"$cache/parts.$$"
    rm -f "$cache/parts.$$"
    link_parts
    for image in pause coredns; do binary_image "$image"; done
    unlock
}

build_part() {
    need_go
    say "building $name ($nth of $total)"
    new_scratch
    out=$cache/$module-$(key "$module")
    source=$(module_folder "$module")
    mkdir -p "$out"
    if [ "$name" = containerd-shim-runsc-v1 ]; then
        patch_shim
    fi
    (
        cd "$source"
        # shellcheck disable=SC2046 # no flag has a space
        CGO_ENABLED=0 GOWORK=off GOFLAGS=-buildvcs=false nice -n 10 go build -trimpath $(flags) -ldflags "-s -w $(link_flags)" \
            -o "$scratch/$name" "$package"
    ) >"$scratch/log" 2>&1 </dev/null || { tail -n 40 "$scratch/log" >&2; fail "building \`$name\` failed (above)"; }
    case $name in
        kwok) stages >"$scratch/stages.yaml" && mv "$scratch/stages.yaml" "$out/" ;;
        agent-sandbox-controller) cp -R "$(source_of sigs.k8s.io/agent-sandbox)/k8s/crds" "$scratch/crds" &&
            chmod -R u+w "$scratch/crds" && rm -rf "$out/crds" && mv "$scratch/crds" "$out/" ;;
    esac
    # In one step, and last, so that no one ever runs half of it.
    mv "$scratch/$name" "$out/$name.new" && mv "$out/$name.new" "$out/$name"
}

flags() { [ "$name" != containerd-shim-runsc-v1 ] || echo -mod=vendor; }

link_flags() {
    case $module in
        kubernetes) # without a version nothing that talks to it trusts it
            for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
                echo "-X $package.gitVersion=v$KUBERNETES -X $package.gitMajor=1 -X $package.gitMinor=34 -X $package.gitTreeState=clean"
            done
            ;;
        gvisor) echo "-X gvisor.dev/gvisor/runsc/version.version=$RUNSC" ;;
    esac
}

# gVisor's shim makes itself a process that the kernel is not to kill when memory runs out, and gives up where that is
# not allowed. Go has no overlay for modules, so it is built from a copy of its dependencies.
patch_shim() {
    rm -rf "$scratch/shim" && cp -R "$source" "$scratch/shim"
    source=$scratch/shim
    manager=$source/vendor/gvisor.dev/gvisor/pkg/shim/v1/manager.go
    (cd "$source" && quietly env GOWORK=off GOFLAGS= go mod vendor) || exit 1
    sed -i 's/^\(\toomScoreMax *=\) -999$/\1 0/' "$manager"
    grep -q '^	oomScoreMax *= 0$' "$manager" || fail "gVisor's shim has changed: \`oomScoreMax\` is not where it was"
}

# What kwok does to its nodes and pods: they are ready at once, and stay so.
stages() {
    stage=$(source_of sigs.k8s.io/kwok)/kustomize/stage
    for file in "$stage"/node/fast/node-*.yaml "$stage"/node/heartbeat-with-lease/node-*.yaml "$stage"/pod/fast/pod-*.yaml; do
        echo "---"
        cat "$file"
    done
}

source_of() { (cd "$here/modules/$module" && go list -m -f '{{.Dir}}' "$1"); }

module_folder() { if [ "$1" = pause ]; then echo "$here/pause"; else echo "$here/modules/$1"; fi; }

# A short name of all that decides what the parts of a module are.
key() { (cd "$(module_folder "$1")" && cat ./* && echo "$RECIPE $(uname -m)") | sha256sum | cut -c1-12; }

# Where a part is: part NAME.
part() {
    module=$(parts | sed -n "s/^$1  *\([^ ]*\) .*/\1/p")
    echo "$cache/$module-$(key "$module")/$1"
}

# The folder of links, one for each set of versions. It is for PATH.
find_parts() {
    bin=$cache/bin-$(parts | while read -r _ module _; do key "$module"; done | sha256sum | cut -c1-12)
}

link_parts() {
    [ ! -e "$bin/complete" ] || return 0
    mkdir -p "$bin"
    parts | while read -r name module _; do ln -sf "../$module-$(key "$module")/$name" "$bin/$name"; done
    : >"$bin/complete"
}

need_go() {
    has go || status=2 fail "go is missing: install Go 1.$GO_LEAST or later"
    version=$(go env GOVERSION | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
    [ -n "$version" ] && [ "$version" -ge "$GO_LEAST" ] || status=2 fail "go is too old: install Go 1.$GO_LEAST or later"
}

# ---- Debian packages ------------------------------------------------------------------------------------------------

# The Debian packages that are missing.
missing() {
    for need in runc iptables ipset conntrack openssl buildah debootstrap curl tar; do has "$need" || echo "$need"; done
    has ip || echo iproute2
    has nsenter || echo util-linux
    has sysctl || echo procps
    [ -x /usr/lib/cni/bridge ] || echo containernetworking-plugins
    [ -s /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
}

need_packages() {
    lacking=$(missing | tr '\n' ' ') && lacking=${lacking% }
    [ -n "$lacking" ] || return 0
    [ "$(id -u)" = 0 ] || status=2 fail "missing: $lacking; install them as root: apt-get install $lacking"
    has apt-get || status=2 fail "missing, by the names that Debian has for them: $lacking; install them with your package manager"
    say "installing $lacking (apt-get)"
    quietly apt-get -q update
    # shellcheck disable=SC2086 # one word a package
    quietly env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $lacking
    lacking=$(missing | tr '\n' ' ') && lacking=${lacking% }
    [ -z "$lacking" ] || fail "apt-get has installed what it has, and still these are missing: $lacking"
}
