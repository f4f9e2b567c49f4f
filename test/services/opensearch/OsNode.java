import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;

/** Starts one node without Bootstrap: no root refusal, no security manager, no seccomp, no bootstrap checks. */
public class OsNode {
    public static void main(String[] args) throws Exception {
        Path home = Paths.get(System.getProperty("opensearch.path.home"));
        Path conf = Paths.get(System.getProperty("opensearch.path.conf"));
        Map<String, String> over = new HashMap<>(); // -Ekey=value overrides opensearch.yml
        for (String a : args) {
            over.put(a.substring(2, a.indexOf('=')), a.substring(a.indexOf('=') + 1));
        }
        LogConfigurator.registerErrorListener();
        Environment env = InternalSettingsPreparer.prepareEnvironment(
            Settings.builder().put("path.home", home.toString()).build(), over, conf, () -> "node-1");
        LogConfigurator.setNodeName(Node.NODE_NAME_SETTING.get(env.settings()));
        LogConfigurator.configure(env);
        Node node = new Node(env);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        node.start();
        new CountDownLatch(1).await();
    }
}
