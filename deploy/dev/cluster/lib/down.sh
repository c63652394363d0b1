# Ends a cluster and sees to it that nothing of it is left.
# shellcheck shell=sh

down() {
    need_root
    lock cluster
    if [ ! -e "$dir" ]; then
        say "no cluster is up"
        return 0
    fi
    begun=$(date +%s)
    remove
    say "down after $(($(date +%s) - begun)) s"
}

remove() {
    if [ -e "$dir/settings" ]; then
        . "$dir/settings"
        for recorded in "$dir"/beside/*; do [ ! -e "$recorded" ] || end_beside "$(basename "$recorded")"; done
        if is_running; then kill -9 "$pid"; fi
        within 20 no_process || true # and named below
        # The kernel takes its time to end a network namespace; the interface is not to wait for that.
        ! ip link show "$name" >/dev/null 2>&1 || ip link delete "$name"
        within 10 remove_cgroups || true
        if [ -e "$dir/made" ]; then
            while read -r folder; do rmdir "$folder" 2>/dev/null || true; done <"$dir/made"
        fi
        left=$(remains)
        [ -z "$left" ] || fail "the cluster has ended, but this is left of it:
$left"
    fi
    case $dir in */node) rm -rf "$dir" "$state/kubeconfig" ;; esac
    rmdir "$state" 2>/dev/null || true
}

# Whether no process is left in a namespace of the cluster.
no_process() { [ -z "$(processes)" ]; }

# Processes that are in a namespace of the cluster.
processes() {
    same_boot || return 0
    for namespace in net mnt pid; do
        known=$(grep "^$namespace:" "$dir/namespaces") || continue
        # shellcheck disable=SC2012 # of all at once; processes come and go meanwhile
        ls -l /proc/[0-9]*/ns/"$namespace" 2>/dev/null | grep -F -- "-> $known"
    done | sed 's|.* /proc/\([0-9]*\)/.*|\1|' | sort -un
}

remove_cgroups() {
    for hierarchy in $(hierarchies); do
        [ ! -d "$hierarchy/$name" ] || find "$hierarchy/$name" -depth -type d -exec rmdir {} +
    done
}

# All that a cluster could leave. Its iptables rules, ipsets, routes and interfaces were in its network namespace, which
# is gone when no process and no mount holds it.
remains() {
    for process in $(processes); do echo "process $process: $(tr '\0' ' ' <"/proc/$process/cmdline" 2>/dev/null)"; done
    grep -F " $dir" /proc/self/mountinfo | sed 's/^/mount: /' || true
    grep '^net:' "$dir/namespaces" 2>/dev/null | while read -r namespace; do
        grep -F "$namespace" /proc/self/mountinfo | sed 's/^/mount of the network namespace: /' || true
    done
    ip -o link show "$name" 2>/dev/null | sed 's/^/interface: /' || true
    ip -4 route show root "$network" | sed 's/^/route: /'
    for hierarchy in $(hierarchies); do [ ! -e "$hierarchy/$name" ] || echo "cgroup: $hierarchy/$name"; done
}
