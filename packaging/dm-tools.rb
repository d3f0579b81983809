# The Homebrew formula: scripts/recipes.sh fills it in for each release. It belongs into a tap.
class DmTools < Formula
  desc "Observable, reversible deployments from any shell script"
  homepage "@REPOSITORY@"
  version "@VERSION@"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on :linux

  on_arm do
    url "@REPOSITORY@/releases/download/v@VERSION@/dm-tools-@VERSION@-aarch64-unknown-linux-gnu.tar.gz"
    sha256 "@SHA256 aarch64-unknown-linux-gnu@"
  end
  on_intel do
    url "@REPOSITORY@/releases/download/v@VERSION@/dm-tools-@VERSION@-x86_64-unknown-linux-gnu.tar.gz"
    sha256 "@SHA256 x86_64-unknown-linux-gnu@"
  end

  def install
    bin.install Dir["bin/*"]
    man1.install Dir["share/man/man1/*"]
    bash_completion.install Dir["share/bash-completion/completions/*"]
    zsh_completion.install Dir["share/zsh/site-functions/*"]
    fish_completion.install Dir["share/fish/vendor_completions.d/*"]
    pkgshare.install Dir["share/dm-tools/*"]
    doc.install Dir["share/doc/dm-tools/*"]
  end

  test do
    ENV["DM_STATE_DIR"] = testpath/"state"
    assert_match version.to_s, shell_output("#{bin}/dm-stage --version")
    assert_equal "hello\n", shell_output("#{bin}/dm-stage build -- echo hello")
  end
end
