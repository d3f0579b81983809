# The settings of deploy-all.sh: their names, their defaults and their checks. deploy-all.sh sources this file.
# shellcheck shell=bash disable=SC2154

# Prints the name of a component's variable: `name_of web-shop BUILD` prints WEB_SHOP_BUILD.
name_of() { local name=${1^^}_$2; printf '%s' "${name//-/_}"; }

# Prints the setting NAME of a component: `setting api BUILD` prints $API_BUILD.
setting() { local name; name=$(name_of "$1" "$2"); printf '%s' "${!name:-}"; }

# Prints where a response of a component contains its version, if that is known.
version_at() { local at; at=$(setting "$1" VERSION_AT); printf '%s' "${at:-${VERSION_AT:-${DM_VERSION_AT:-}}}"; }

# Prints the components that have the setting NAME.
with_setting() {
    local component
    for component in "${components[@]}"; do
        [ -z "$(setting "$component" "$1")" ] || printf '%s\n' "$component"
    done
}

# Prints the names of all settings.
all_settings() {
    local component suffix
    printf '%s\n' "${settings[@]}"
    for component in "${components[@]}"; do
        for suffix in "${component_settings[@]}"; do printf '%s\n' "$(name_of "$component" "$suffix")"; done
    done
}

# Prints the names of the settings that are set, and of what is derived from them.
set_settings() {
    local name
    printf 'components\n'
    while read -r name; do [ -z "${!name+set}" ] || printf '%s\n' "$name"; done < <(all_settings)
}

# Reads COMPONENTS into $components.
read_components() {
    local component names
    read -ra components <<< "${COMPONENTS:=api web}"
    for component in "${components[@]}"; do
        [[ $component =~ ^[A-Za-z][A-Za-z0-9-]{0,62}$ ]] ||
            fail "COMPONENTS: '$component' is not a name of letters, digits and -, such as web-shop"
    done
    names=$(for component in "${components[@]}"; do name_of "$component" "DEPLOY"; echo; done | sort | uniq -d | head -n 1)
    [ -z "$names" ] || fail "COMPONENTS: two components have the same variable $names"
}

# Rejects what the configuration sets and deploy-all.sh does not know: a misspelt name must not pass as "no such step". The
# team's own variables are exported or in lower case.
reject_unknown_settings() {
    local name attributes suffix hint known
    read_components
    known=$(all_settings)
    while read -r name; do
        # Those that bash sets by itself are no settings.
        [[ $name =~ ^[A-Z][A-Z0-9_]*$ && ! $name =~ ^(BASH_|COPROC|MAPFILE$|OPT|PIPESTATUS$|REPLY$) ]] || continue
        attributes=$(declare -p "$name" 2> /dev/null) || continue
        [[ ! $attributes =~ ^declare\ -[A-Za-z]*x ]] || continue
        ! grep -qxF -- "$name" <<< "$known" || continue
        hint=$(nearest "$name" <<< "$known")
        for suffix in "${component_settings[@]}"; do
            [ -n "$hint" ] || [[ $name != *_"$suffix" ]] || hint="is its component missing in COMPONENTS=\"$COMPONENTS\""
        done
        fail "$1 sets $name, which is not a setting: ${hint:-see deploy.env.example}; export variables of your own, or write them in lower case"
    done < <(comm -13 <(sort <<< "$2") <(compgen -A variable | sort))
}

# Prints a question with the name on stdin that is most like $1, if one is at most two letters away (Levenshtein).
nearest() {
    awk -v word="$1" '
        function min(a, b) { return a < b ? a : b }
        {
            for (j = 0; j <= length($0); j++) row[j] = j
            for (i = 1; i <= length(word); i++) {
                corner = row[0]; row[0] = i
                for (j = 1; j <= length($0); j++) {
                    above = row[j]
                    row[j] = min(min(above, row[j - 1]) + 1, corner + (substr(word, i, 1) != substr($0, j, 1)))
                    corner = above
                }
            }
            if (row[length($0)] <= 2 && (best == "" || row[length($0)] < least)) { best = $0; least = row[length($0)] }
        }
        END { if (best != "") printf "did you mean %s", best }'
}

one_of() {
    local name=$1 value
    shift
    for value in "$@"; do [ "${!name}" != "$value" ] || return 0; done
    fail "$name is '${!name}', and must be one of: $*"
}

# Lets a tool check the value of a setting, before anything runs: with --version it reads its arguments and ends.
accepted() {
    local name=$1 why
    shift
    why=$("$@" --version 2>&1 > /dev/null) || fail "$name: ${why#dm-*: }"
}

# Sets the defaults, and checks the values.
check_settings() {
    local component name url
    : "${SERVICE:=${DM_SERVICE:-app}}" "${MIGRATE:=before}" "${DATABASE_MIGRATE:=}" "${SMOKE_SUITE:=}" "${SMOKE_BASE_URL:=}"
    : "${HEALTH_INTERVAL:=1s}" "${HEALTH_DEADLINE:=2m}" "${WATCH:=60s..10m}" "${WATCH_INTERVAL:=500ms}" "${ERROR_RATE:=5}"
    : "${ON_INCONCLUSIVE:=fail}" "${ON_KEEP:=}" "${ALLOW_REFUSED:=no}" "${COOL_DOWN:=}" "${MAX_ROLLBACKS_PER_DAY:=}"
    : "${SCHEMA_COMPATIBLE:=yes}" "${REQUIRE_TARGET:=no}" "${EXCLUSIVE:=no}" "${OUTPUT:=on-failure}" "${VERSION_AT:=}"
    read_components
    one_of MIGRATE before after
    one_of ON_INCONCLUSIVE fail keep rollback
    one_of OUTPUT on-failure with-result live
    for name in ALLOW_REFUSED SCHEMA_COMPATIBLE REQUIRE_TARGET; do one_of "$name" yes no; done
    for name in "$SERVICE" "${components[@]}"; do accepted SERVICE dm-stage build --service "$name"; done
    accepted HEALTH_INTERVAL dm-health --interval "$HEALTH_INTERVAL"
    accepted HEALTH_DEADLINE dm-health --deadline "$HEALTH_DEADLINE"
    accepted WATCH dm-health --watch "$WATCH"
    accepted WATCH_INTERVAL dm-health --interval "$WATCH_INTERVAL"
    accepted ERROR_RATE dm-rollback --if-error-rate "$ERROR_RATE"
    [ -z "$COOL_DOWN" ] || accepted COOL_DOWN dm-rollback --cool-down "$COOL_DOWN"
    [ -z "$MAX_ROLLBACKS_PER_DAY" ] || accepted MAX_ROLLBACKS_PER_DAY dm-rollback --max-rollbacks-per-day "$MAX_ROLLBACKS_PER_DAY"
    [ -z "$SMOKE_BASE_URL" ] || accepted SMOKE_BASE_URL dm-smoke --base-url "$SMOKE_BASE_URL"
    for component in "${components[@]}"; do
        [ -z "$(version_at "$component")" ] || accepted VERSION_AT dm-health --version-at "$(version_at "$component")"
        for name in HEALTH_URL WATCH_URL; do
            url=$(setting "$component" $name)
            [ -z "$url" ] || accepted "$(name_of "$component" $name)" dm-health --url "$url"
        done
    done
    case $EXCLUSIVE in
        no) ;;
        yes) lease=(--exclusive) ;;
        *) lease=("--exclusive=$EXCLUSIVE") ;;
    esac
    [ "$EXCLUSIVE" = no ] || accepted EXCLUSIVE dm-stage deployment "${lease[@]}"
    [ "$EXCLUSIVE" = no ] || [ "${DM_PARENT_STAGE:-}" != deployment ] ||
        fail "EXCLUSIVE: give --exclusive to the dm-stage deployment that this script runs in"
    # A configuration without a command must not end as a successful deployment.
    [ -n "$(with_setting DEPLOY)$(with_setting BUILD)$DATABASE_MIGRATE" ] ||
        fail "there is nothing to do: set $(name_of "${components[0]:-api}" DEPLOY) or DATABASE_MIGRATE (see deploy.env.example)"
}
